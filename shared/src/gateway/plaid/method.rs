//! Payment methods at Plaid: bank accounts that their owners have linked
//! (plaid.com/docs/api/items, plaid.com/docs/api/accounts). Numbers never pass through here.
//!
//! Link's public token becomes the access token of one link to a bank. One account of it is the method.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;

use super::object::{Account, Accounts, Exchanged, Item};
use super::transport::Reply;
use super::{Plaid, classify};
use crate::bounds;
use crate::gateway::{KnownMethod, MethodError, Trouble};
use crate::model::method::MethodKind;
use crate::secrets::{BankAccess, PlaidSecret};

/// Accounts that Transfer can use (plaid.com/docs/errors/transfer, `TRANSFER_UNSUPPORTED_ACCOUNT_TYPE`).
const SUBTYPES: [&str; 3] = ["checking", "savings", "cash management"];

impl Plaid {
    /// Makes the access token of a link that its owner has just made, and tells Plaid's id of the link. A public token
    /// serves once: who loses the answer has the account linked again.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn exchange(
        &self,
        secret: &PlaidSecret,
        public_token: &str,
        timeout: Duration,
    ) -> Result<(BankAccess, String), MethodError> {
        let body = json!({ "public_token": public_token });
        let reply = self.post(secret, "/item/public_token/exchange", &body, timeout).await;
        let reply = reply.map_err(MethodError::Gateway)?;
        let Exchanged { access_token, item_id } = reply.object().ok_or_else(|| refused(&reply))?;
        if item_id.is_empty() || item_id.len() > bounds::REFERENCE_BYTES {
            return Err(MethodError::Gateway(Trouble::Unreadable));
        }
        Ok((BankAccess { access_token }, item_id))
    }

    /// The one account of a link that transfers can use.
    ///
    /// # Errors
    /// [`MethodError::NotUsable`] where there is none, or more than one.
    pub async fn account(
        &self,
        secret: &PlaidSecret,
        access: &BankAccess,
        timeout: Duration,
    ) -> Result<KnownMethod, MethodError> {
        let Accounts { accounts, item } = self.accounts(secret, access, timeout).await?;
        let usable: Vec<&Account> = accounts.iter().filter(|account| is_usable(account)).collect();
        match usable.as_slice() {
            [account] => known(account, &item),
            accounts => Err(MethodError::NotUsable(format!(
                "{} checking, savings or cash management accounts were linked; link exactly one account: Link's \
                 Account Select.",
                accounts.len()
            ))),
        }
    }

    async fn accounts(
        &self,
        secret: &PlaidSecret,
        access: &BankAccess,
        timeout: Duration,
    ) -> Result<Accounts, MethodError> {
        let body = json!({ "access_token": access.access_token.expose_secret() });
        let reply = self.post(secret, "/accounts/get", &body, timeout).await.map_err(MethodError::Gateway)?;
        reply.object().ok_or_else(|| refused(&reply))
    }
}

fn is_usable(account: &Account) -> bool {
    account.kind == "depository" && SUBTYPES.contains(&account.subtype.as_str())
}

fn refused(reply: &Reply) -> MethodError {
    let trouble = classify::trouble(reply);
    if trouble != Trouble::Rejected {
        return MethodError::Gateway(trouble);
    }
    let error = reply.error();
    let code = error.code().unwrap_or_default();
    MethodError::NotUsable(if classify::is_unlinked(&error) {
        format!("Plaid can't reach the account as it was linked ({code}): it must be linked again.")
    } else if code == "INVALID_PUBLIC_TOKEN" {
        "Plaid does not know the public token, or it was used or is older than 30 minutes: link the account again."
            .to_owned()
    } else {
        format!("Plaid does not take it ({code}).")
    })
}

fn known(account: &Account, item: &Item) -> Result<KnownMethod, MethodError> {
    if account.account_id.is_empty() || account.account_id.len() > bounds::REFERENCE_BYTES {
        return Err(MethodError::Gateway(Trouble::Unreadable));
    }
    let name = item.institution_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&account.name);
    let is_mask = |mask: &&str| (2..=4).contains(&mask.len()) && mask.bytes().all(|b| b.is_ascii_alphanumeric());
    Ok(KnownMethod {
        reference: account.account_id.clone(),
        // There is no customer: what the account belongs to is the link.
        customer: Some(item.item_id.clone()),
        mandate: None,
        attached_here: false,
        kind: MethodKind::BankAccount,
        brand: Some(name.chars().take(bounds::NAME_BYTES).collect()),
        last4: account.mask.as_deref().filter(is_mask).map(ToOwned::to_owned),
        exp_month: None,
        exp_year: None,
    })
}

#[cfg(test)]
mod tests;
