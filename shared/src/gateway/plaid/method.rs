//! Payment methods at Plaid: bank accounts that their owners have linked
//! (plaid.com/docs/api/items, plaid.com/docs/api/accounts). Numbers never pass through here.
//!
//! Link's public token becomes the access token of one link to a bank. One account of it is the method.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;

use super::object::{Account, Accounts, Exchanged, Item, LinkToken};
use super::transport::Reply;
use super::{Plaid, classify};
use crate::bounds;
use crate::gateway::{KnownMethod, MethodError, NextAction, Setup, Trouble};
use crate::model::method::MethodKind;
use crate::secrets::{BankAccess, PlaidSecret};

/// Accounts that Transfer can use (plaid.com/docs/errors/transfer, `TRANSFER_UNSUPPORTED_ACCOUNT_TYPE`).
const SUBTYPES: [&str; 3] = ["checking", "savings", "cash management"];

/// Characters of a name that Link shows (plaid.com/docs/api/link, `client_name`).
const NAME: usize = 30;

impl Plaid {
    /// Begins the linking of a bank account in its owner's browser: the token for Link, and until when it is good. After
    /// a visit to a bank's own page Link comes back to `return_url`. `holder` tells whose it is and says nothing of them.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn begin_setup(
        &self,
        secret: &PlaidSecret,
        holder: &str,
        name: &str,
        return_url: Option<&str>,
        timeout: Duration,
    ) -> Result<Setup, MethodError> {
        let name: String = name.chars().take(NAME).collect();
        let mut body = json!({
            "client_name": name, "language": "en", "country_codes": ["US"], "products": ["transfer"],
            "user": { "client_user_id": holder }, "account_filters": { "depository": { "account_subtypes": SUBTYPES } },
        });
        if let (Some(url), Some(members)) = (return_url, body.as_object_mut()) {
            members.insert("redirect_uri".to_owned(), json!(url));
        }
        let reply = self.post(secret, "/link/token/create", &body, timeout).await.map_err(MethodError::Gateway)?;
        let LinkToken { link_token, expiration } = reply.object().ok_or_else(|| refused(&reply))?;
        let next_action = Some(NextAction::LinkToken(link_token));
        Ok(Setup { reference: None, next_action, expires_at: expiration.parse().ok() })
    }

    /// Ends a link to a bank: its access token opens nothing any more. One that has ended is ended.
    ///
    /// # Errors
    /// [`MethodError`].
    pub async fn remove(
        &self,
        secret: &PlaidSecret,
        access: &BankAccess,
        timeout: Duration,
    ) -> Result<(), MethodError> {
        let body = json!({ "access_token": access.access_token.expose_secret() });
        let reply = self.post(secret, "/item/remove", &body, timeout).await.map_err(MethodError::Gateway)?;
        let code = reply.error().code();
        let is_gone = code.is_some_and(|code| code == "ITEM_NOT_FOUND" || code == "INVALID_ACCESS_TOKEN");
        if reply.is_success() || is_gone { Ok(()) } else { Err(refused(&reply)) }
    }

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
        barred: None,
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
