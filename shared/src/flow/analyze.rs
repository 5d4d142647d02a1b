//! A model explains an alert, afterwards and for people only.
//!
//! Reads the alert, its payment, the agent runs and the audit trail; asks when the policy finds the alert complex; and
//! writes the answer on the alert, once for a count of it. Whatever goes wrong leaves the alert as it was. Nothing else is
//! ever written.

use std::collections::BTreeSet;

use crate::analysis::anthropic::{NoAnswer, Question};
use crate::analysis::case::Known;
use crate::app::App;
use crate::bounds;
use crate::clock::Time;
use crate::gateway;
use crate::id::{AlertId, PaymentId, TenantId};
use crate::model::alert::{AgentRun, Explanation, Raised};
use crate::model::audit::{Audited, Entry};
use crate::model::invoice::Invoice;
use crate::model::payment::Payment;
use crate::model::payment::PaymentStatus::{Failed, Returned};
use crate::policy::analysis::{Facts, complex, is_due};
use crate::secrets::SecretError;
use crate::store::list::{ListError, PageRequest};
use crate::store::{Consistency, Items, Key, StoreError};

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is explained now.
    Explained,
    /// It needs no explanation: its own words will do, it has one, or it is no longer open.
    Left,
    /// There was no time to ask.
    Late,
    /// There is no explanation, for a reason that was logged.
    Failed,
}

/// Why a model was not asked, or gave nothing.
#[derive(Debug, thiserror::Error)]
enum Unexplained {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// What was read about an alert.
struct Read {
    payment: Option<Payment>,
    invoice: Option<Invoice>,
    trail: Vec<Entry>,
    /// Of the payment, its method and its vendor.
    runs: Vec<AgentRun>,
    facts: Facts,
}

/// Explains an alert by `until`, if it is complex and an explanation of it is due.
///
/// # Errors
/// [`StoreError`]: the store did not answer, or holds what can't be read. Nothing was written.
pub async fn analyze(
    app: &App,
    model: &str,
    tenant: &TenantId,
    alert: &AlertId,
    until: Time,
) -> Result<Verdict, StoreError> {
    let found = app.store.get::<Raised>(&Key::alert(tenant, alert)).await?;
    let Some(alert) = found.filter(is_due) else { return Ok(Verdict::Left) };
    let read = read(app, &alert).await?;
    let Some(reason) = complex(&alert, read.facts) else { return Ok(Verdict::Left) };
    let known = Known {
        alert: &alert,
        reason,
        facts: read.facts,
        payment: read.payment.as_ref(),
        invoice: read.invoice.as_ref(),
        runs: &read.runs,
        trail: &read.trail,
    };
    let (tenant_id, alert_id, kind) = (tenant.as_str(), alert.alert_id.as_str(), alert.kind.as_str());
    let explanation = match ask(app, model, &known, until).await {
        Ok(explanation) => explanation,
        Err(Unexplained::NoAnswer(NoAnswer::NotAsked)) => return Ok(Verdict::Late),
        Err(error) => {
            tracing::warn!(tenant_id, alert_id, kind, %error, "an alert stays without an explanation");
            return Ok(Verdict::Failed);
        }
    };
    if !app.store.explain(&alert, &explanation).await? {
        tracing::info!(tenant_id, alert_id, kind, "an explanation came too late: resolved, or explained by another");
        return Ok(Verdict::Left);
    }
    tracing::info!(tenant_id, alert_id, kind, %reason, model = explanation.model, "an alert is explained");
    Ok(Verdict::Explained)
}

async fn ask(app: &App, model: &str, known: &Known<'_>, until: Time) -> Result<Explanation, Unexplained> {
    let case = known.told();
    let until = until.minus(bounds::ANALYSIS_RESERVE);
    let question =
        Question { model, case: &case, count: known.alert.count, until, timeout: app.config.analysis_timeout };
    let secret = app.secrets.analysis().await?;
    match app.anthropic.ask(&secret, &question, &app.clock).await {
        // It may have been replaced since it was read.
        Err(NoAnswer::KeyRefused) => {
            let secret = app.secrets.analysis_anew().await?;
            Ok(app.anthropic.ask(&secret, &question, &app.clock).await?)
        }
        answer => Ok(answer?),
    }
}

async fn read(app: &App, alert: &Raised) -> Result<Read, StoreError> {
    let tenant = &alert.tenant_id;
    let payment_key = alert.payment_id.as_ref().map(|id| Key::payment(tenant, id));
    let invoice_key = alert.invoice_id.as_ref().map(|id| Key::invoice(tenant, id));
    let keys: Vec<Key> = payment_key.iter().chain(&invoice_key).cloned().collect();
    let items = if keys.is_empty() { Items::default() } else { app.store.read(keys, Consistency::Strong).await? };
    let payment: Option<Payment> = payment_key.map(|key| items.get(&key)).transpose()?.flatten();
    let invoice: Option<Invoice> = invoice_key.map(|key| items.get(&key)).transpose()?.flatten();
    let mut trail = match &invoice {
        Some(invoice) => app.store.trail(&invoice.entity().key(tenant)).await?,
        None => Vec::new(),
    };
    trail.drain(..trail.len().saturating_sub(bounds::ANALYSIS_EVENTS));
    let (runs, facts) = match (&alert.payment_id, &payment) {
        (Some(_), Some(payment)) => lately(app, alert, payment, invoice.as_ref()).await?,
        _ => (Vec::new(), Facts::default()),
    };
    Ok(Read { payment, invoice, trail, runs, facts })
}

/// The tenant's last agent runs that have to do with an alert's payment, and what they add up to.
async fn lately(
    app: &App,
    alert: &Raised,
    payment: &Payment,
    invoice: Option<&Invoice>,
) -> Result<(Vec<AgentRun>, Facts), StoreError> {
    let (tenant, id) = (&alert.tenant_id, &payment.id);
    let since = alert.last_seen.minus(bounds::ANALYSIS_LATELY);
    let page = PageRequest { limit: bounds::ANALYSIS_RUNS, cursor: None };
    let runs = match app.store.runs(tenant, &page, |run| run.at >= since).await {
        Ok(page) => page.items,
        // No cursor was given.
        Err(ListError::Cursor) => Vec::new(),
        Err(ListError::Store(error)) => return Err(error),
    };
    let keys =
        runs.iter().flat_map(|run| [Key::payment(tenant, &run.payment_id), Key::invoice(tenant, &run.invoice_id)]);
    let keys: Vec<Key> = keys.collect();
    let items = if keys.is_empty() { Items::default() } else { app.store.read(keys, Consistency::Strong).await? };
    let mut related = Vec::new();
    let (mut of_method, mut of_vendor) = (BTreeSet::from([id.clone()]), BTreeSet::from([id.clone()]));
    for run in runs {
        let other: Option<Payment> = items.get(&Key::payment(tenant, &run.payment_id))?;
        let billed: Option<Invoice> = items.get(&Key::invoice(tenant, &run.invoice_id))?;
        let same_method = other.as_ref().is_some_and(|other| is_same_method(other, payment));
        let same_vendor = other.as_ref().is_some_and(|other| is_same_account(other, payment))
            || billed.as_ref().zip(invoice).is_some_and(|(other, invoice)| is_same_vendor(other, invoice));
        // A reply that was lost is a run too, and may have been of a payment that was made.
        let has_failed = other.as_ref().is_some_and(|other| matches!(other.status, Failed | Returned));
        of_method.extend((same_method && has_failed).then(|| run.payment_id.clone()));
        of_vendor.extend((same_vendor && has_failed).then(|| run.payment_id.clone()));
        if same_method || same_vendor || run.payment_id == *id {
            related.push(run);
        }
    }
    let last = related.iter().find(|run| run.payment_id == *id).and_then(|run| run.gateway_code.as_deref());
    let code = last.or_else(|| payment.failure.as_ref()?.gateway_code.as_deref());
    let facts = Facts {
        unknown_code: code.is_some_and(|code| !gateway::knows(payment.frozen.gateway, code)),
        of_method: count(&of_method),
        of_vendor: count(&of_vendor),
    };
    related.truncate(bounds::ANALYSIS_EVENTS);
    Ok((related, facts))
}

fn count(payments: &BTreeSet<PaymentId>) -> u64 {
    u64::try_from(payments.len()).unwrap_or(u64::MAX)
}

fn is_same_method(one: &Payment, other: &Payment) -> bool {
    one.payment_method_id.is_some() && one.payment_method_id == other.payment_method_id
}

fn is_same_account(one: &Payment, other: &Payment) -> bool {
    one.frozen.destination.is_some() && one.frozen.destination == other.frozen.destination
}

fn is_same_vendor(one: &Invoice, other: &Invoice) -> bool {
    one.counterparty.vendor_id.is_some() && one.counterparty.vendor_id == other.counterparty.vendor_id
}
