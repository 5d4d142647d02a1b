//! Refused attempts to move money: each is logged in the audit trail, under an entity of its own.

use serde_json::json;

use super::Invocation;
use crate::app::App;
use crate::model::audit::{Entity, Head};
use crate::policy::refusal::{Code, Refusal};
use crate::store::commit::{Commit, CommitError};

/// Logs a refused attempt: who, for which invoice, and the codes. Of a request refused for card data nothing else.
///
/// The answer does not wait on it: what can't be written is logged.
pub async fn refuse(app: &App, invocation: &Invocation, invoice: Option<&str>, refusals: &[Refusal]) {
    let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code.as_str()).collect();
    let has_card_data = refusals.iter().any(|refusal| refusal.code == Code::CardDataForbidden);
    let changes = match invoice.filter(|_| !has_card_data) {
        Some(invoice) => json!({ "invoice_id": invoice, "codes": codes }),
        None => json!({ "codes": codes }),
    };
    let entity = Entity { kind: "requests", id: &invocation.actor.request_id };
    let (_, entry) = Head::default().append(&invocation.actor, entity, "refuse", &changes, app.clock.now());
    let mut commit = Commit::default();
    commit.entry(&app.store, entry);
    match app.store.commit(commit, invocation.deadline).await {
        // One that is there already is this request's own.
        Ok(()) | Err(CommitError::Conflict(_)) => {}
        Err(error) => tracing::error!(%error, ?codes, "a refused attempt could not be logged in the audit trail"),
    }
}
