//! What a ledger at Plaid holds: debits are paid into it, credits and refunds out of it
//! (plaid.com/docs/api/products/transfer/ledger).

use std::time::Duration;

use serde_json::json;

use super::object::Ledger;
use super::{Plaid, amount, classify};
use crate::gateway::Trouble;
use crate::secrets::PlaidSecret;

impl Plaid {
    /// What a ledger has available, in cents; `None`: the account's default one. Below zero where it is overdrawn.
    ///
    /// # Errors
    /// Why Plaid did not say.
    pub async fn available(
        &self,
        secret: &PlaidSecret,
        ledger: Option<&str>,
        timeout: Duration,
    ) -> Result<i64, Trouble> {
        let body = ledger.map_or_else(|| json!({}), |ledger| json!({ "ledger_id": ledger }));
        let reply = self.post(secret, "/transfer/ledger/get", &body, timeout).await?;
        let ledger: Ledger = reply.object().ok_or_else(|| classify::trouble(&reply))?;
        amount::balance(&ledger.balance.available).ok_or(Trouble::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::plaid::stub::{TIMEOUT, error, plaid, secret, stub};

    #[tokio::test]
    async fn what_a_ledger_has_available_is_told_in_cents() {
        let stub = stub(|asked| match asked.body["ledger_id"].as_str() {
            None => Some((200, json!({ "ledger_id": "l0", "balance": { "available": "12.34", "pending": "1.00" } }))),
            Some("overdrawn") => Some((200, json!({ "balance": { "available": "-0.50", "pending": "0.00" } }))),
            Some("odd") => Some((200, json!({ "balance": { "available": "1e9", "pending": "0.00" } }))),
            Some(_) => Some((400, error("INVALID_REQUEST", "INVALID_FIELD"))),
        });
        let plaid = plaid(&stub);
        let available = async |ledger| plaid.available(&secret(), ledger, TIMEOUT).await;
        assert_eq!(available(None).await, Ok(1_234));
        assert_eq!(available(Some("overdrawn")).await, Ok(-50));
        assert_eq!(available(Some("odd")).await, Err(Trouble::Unreadable));
        assert_eq!(available(Some("other")).await, Err(Trouble::Rejected));
        assert_eq!(stub.asked().first().map(|asked| asked.body.clone()), Some(json!({})), "nothing is sent as null");
    }
}
