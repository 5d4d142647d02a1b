//! Real test keys, from a TOML file: what is in it takes the place of that gateway's simulator. They are never printed,
//! and no message quotes the file.

use std::path::{Path, PathBuf};
use std::{fs, io};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use toml::{Table, Value as Toml};

/// Where test keys are good.
pub(crate) const STRIPE: &str = "https://api.stripe.com";
pub(crate) const PAYPAL: &str = "https://api-m.sandbox.paypal.com";
pub(crate) const PLAID: &str = "https://sandbox.plaid.com";

/// The keys of a tenant's own accounts at the gateways' sandboxes.
#[derive(Clone, Debug, Default)]
pub struct TestKeys {
    /// `[stripe]`.
    pub stripe: Option<StripeKeys>,
    /// `[paypal]`.
    pub paypal: Option<PayPalKeys>,
    /// `[plaid]`.
    pub plaid: Option<PlaidKeys>,
    /// `[anthropic]`: its `api_key`.
    pub anthropic: Option<SecretString>,
}

/// An account at Stripe, in test mode.
#[derive(Clone, Debug)]
pub struct StripeKeys {
    /// `acct_…`.
    pub account: String,
    /// `sk_test_…` or `rk_test_…`.
    pub secret_key: SecretString,
    /// `pk_test_…`, which every browser may see.
    pub publishable_key: String,
    /// `whsec_…`; may be left out.
    pub webhook_secrets: Vec<SecretString>,
}

/// An app in PayPal's Sandbox.
#[derive(Clone, Debug)]
pub struct PayPalKeys {
    /// Names the account.
    pub client_id: String,
    /// Proves to be it.
    pub client_secret: SecretString,
    /// Of the endpoint; may be left out.
    pub webhook_id: Option<String>,
}

/// A client in Plaid's Sandbox.
#[derive(Clone, Debug)]
pub struct PlaidKeys {
    /// Names the client.
    pub client_id: String,
    /// Proves to be it.
    pub secret: SecretString,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TestKeysError {
    /// It can't be read.
    #[error("the file of secrets {} can't be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML. What it says is not repeated.
    #[error("the file of secrets is no TOML (line {0})")]
    Malformed(usize),
    /// Something in it is not known.
    #[error("unknown field in the file of secrets: {0}")]
    Unknown(String),
    /// Something is not in it.
    #[error("missing in the file of secrets: {0}")]
    Missing(String),
    /// Something is not what it must be.
    #[error("in the file of secrets, {0} must be {1}")]
    Wrong(String, &'static str),
    /// Real money.
    #[error(
        "in the file of secrets, {0} is a live key: only test keys are taken here, since everything is paid for real with a live one"
    )]
    Live(String),
}

impl TestKeys {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TestKeysError`], which says where, and never what stands there.
    pub fn read(path: &Path) -> Result<Self, TestKeysError> {
        Self::parse(
            &fs::read_to_string(path).map_err(|source| TestKeysError::Unreadable { path: path.to_owned(), source })?,
        )
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// The same.
    pub fn parse(text: &str) -> Result<Self, TestKeysError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            TestKeysError::Malformed(before.lines().count().max(1))
        })?;
        let mut file = Section { path: String::new(), members: table };
        let keys = Self {
            stripe: file.section("stripe")?.map(StripeKeys::read).transpose()?,
            paypal: file.section("paypal")?.map(PayPalKeys::read).transpose()?,
            plaid: file.section("plaid")?.map(PlaidKeys::read).transpose()?,
            anthropic: file.section("anthropic")?.map(anthropic).transpose()?,
        };
        file.finish()?;
        Ok(keys)
    }
}

impl StripeKeys {
    fn read(mut section: Section) -> Result<Self, TestKeysError> {
        let account = section.key("account", &["acct_"], "an account of Stripe's (acct_…)")?;
        let secret_key = section.key("secret_key", &["sk_test_", "rk_test_"], "a test key (sk_test_… or rk_test_…)")?;
        let publishable_key = section.key("publishable_key", &["pk_test_"], "a publishable test key (pk_test_…)")?;
        let webhook_secrets = section.texts("webhook_secrets")?.into_iter().map(SecretString::from).collect();
        section.finish()?;
        Ok(Self { account, secret_key: secret_key.into(), publishable_key, webhook_secrets })
    }

    /// As the tenant's secret holds them.
    pub(crate) fn secret(&self) -> Value {
        let signing: Vec<&str> = self.webhook_secrets.iter().map(ExposeSecret::expose_secret).collect();
        json!({ "account": self.account, "secret_key": self.secret_key.expose_secret(), "webhook_secrets": signing })
    }
}

impl PayPalKeys {
    fn read(mut section: Section) -> Result<Self, TestKeysError> {
        let client_id = section.required("client_id")?;
        let client_secret = section.required("client_secret")?.into();
        let webhook_id = section.text("webhook_id")?;
        section.finish()?;
        Ok(Self { client_id, client_secret, webhook_id })
    }

    /// As the tenant's secret holds them.
    pub(crate) fn secret(&self) -> Value {
        json!({ "client_id": self.client_id, "client_secret": self.client_secret.expose_secret(),
                "webhook_id": self.webhook_id.as_deref().unwrap_or_default() })
    }
}

impl PlaidKeys {
    fn read(mut section: Section) -> Result<Self, TestKeysError> {
        let client_id = section.required("client_id")?;
        let secret = section.required("secret")?.into();
        section.finish()?;
        Ok(Self { client_id, secret })
    }

    /// As the tenant's secret holds them.
    pub(crate) fn secret(&self) -> Value {
        json!({ "client_id": self.client_id, "secret": self.secret.expose_secret() })
    }
}

fn anthropic(mut section: Section) -> Result<SecretString, TestKeysError> {
    let key = section.key("api_key", &["sk-ant-"], "a key of Anthropic's (sk-ant-…)")?;
    section.finish()?;
    Ok(key.into())
}

/// What is left of a part of the file.
struct Section {
    /// Before each name in it, such as `stripe.`.
    path: String,
    members: Table,
}

impl Section {
    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    fn section(&mut self, name: &str) -> Result<Option<Self>, TestKeysError> {
        match self.members.remove(name) {
            None => Ok(None),
            Some(Toml::Table(members)) => Ok(Some(Self { path: format!("{}{name}.", self.path), members })),
            Some(_) => Err(TestKeysError::Wrong(self.named(name), "a section")),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, TestKeysError> {
        match self.members.remove(name) {
            None => Ok(None),
            Some(Toml::String(text)) => self.whole(name, text).map(Some),
            Some(_) => Err(TestKeysError::Wrong(self.named(name), "a text")),
        }
    }

    /// Refuses what no gateway hands out: the `…` of a sample, or what was copied with a space. Sent as it is, it would
    /// come back as a failure of the gateway's.
    fn whole(&self, name: &str, text: String) -> Result<String, TestKeysError> {
        if !text.is_empty() && text.chars().all(|char| char.is_ascii_graphic()) {
            return Ok(text);
        }
        Err(TestKeysError::Wrong(self.named(name), "whole, as its gateway shows it, with no … and no spaces"))
    }

    fn required(&mut self, name: &str) -> Result<String, TestKeysError> {
        self.text(name)?.ok_or_else(|| TestKeysError::Missing(self.named(name)))
    }

    /// A text that begins like one of these.
    fn key(&mut self, name: &str, prefixes: &[&str], what: &'static str) -> Result<String, TestKeysError> {
        let key = self.required(name)?;
        if ["sk_live_", "rk_live_", "pk_live_"].iter().any(|live| key.starts_with(live)) {
            return Err(TestKeysError::Live(self.named(name)));
        }
        if prefixes.iter().any(|prefix| key.starts_with(prefix)) {
            return Ok(key);
        }
        Err(TestKeysError::Wrong(self.named(name), what))
    }

    fn texts(&mut self, name: &str) -> Result<Vec<String>, TestKeysError> {
        let wrong = || TestKeysError::Wrong(self.named(name), "a list of texts");
        let list = match self.members.get(name) {
            None => return Ok(Vec::new()),
            Some(list) => list.as_array().ok_or_else(wrong)?,
        };
        let texts = list.iter().map(|text| self.whole(name, text.as_str().ok_or_else(wrong)?.to_owned())).collect();
        self.members.remove(name);
        texts
    }

    /// Refuses what nobody asked for.
    fn finish(self) -> Result<(), TestKeysError> {
        match self.members.keys().next() {
            Some(name) => Err(TestKeysError::Unknown(self.named(name))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        [stripe]
        account = "acct_1"
        secret_key = "sk_test_CANARY"
        publishable_key = "pk_test_1"
        webhook_secrets = ["whsec_CANARY"]
        [paypal]
        client_id = "app"
        client_secret = "CANARY"
        webhook_id = "WH-1"
        [plaid]
        client_id = "client"
        secret = "CANARY"
        [anthropic]
        api_key = "sk-ant-CANARY"
    "#;

    /// Why a text is refused; nothing secret is in it.
    fn refused(text: &str) -> String {
        let error = TestKeys::parse(text).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("CANARY"), "{said}");
        error.to_string()
    }

    #[test]
    fn keys_are_read_for_the_gateways_that_are_named_and_never_shown() {
        let keys = TestKeys::parse(WHOLE).unwrap();
        assert_eq!(keys.stripe.as_ref().unwrap().secret()["webhook_secrets"], json!(["whsec_CANARY"]));
        assert_eq!(keys.paypal.as_ref().unwrap().secret()["webhook_id"], "WH-1");
        assert_eq!(keys.plaid.as_ref().unwrap().secret()["secret"], "CANARY");
        assert_eq!(keys.anthropic.as_ref().unwrap().expose_secret(), "sk-ant-CANARY");
        assert!(!format!("{keys:?}").contains("CANARY"), "{keys:?}");
        let one = TestKeys::parse("[plaid]\nclient_id = \"c\"\nsecret = \"s\"").unwrap();
        assert!(one.stripe.is_none() && one.paypal.is_none() && one.plaid.is_some());
    }

    #[test]
    fn live_keys_are_refused_by_the_name_of_their_field() {
        for (test, live) in [
            ("sk_test_CANARY", "sk_live_CANARY"),
            ("sk_test_CANARY", "rk_live_CANARY"),
            ("pk_test_1", "pk_live_CANARY"),
        ] {
            let said = refused(&WHOLE.replace(test, live));
            let field = if test == "pk_test_1" { "stripe.publishable_key" } else { "stripe.secret_key" };
            assert!(said.contains(field) && said.contains("only test keys are taken"), "{said}");
        }
    }

    #[test]
    fn what_is_unknown_missing_or_wrong_is_named() {
        let said = |from: &str, to: &str| refused(&WHOLE.replace(from, to));
        assert_eq!(said("account =", "acount ="), "missing in the file of secrets: stripe.account");
        let extra = refused(&format!("{WHOLE}\n secret_key = \"CANARY\""));
        assert_eq!(extra, "unknown field in the file of secrets: anthropic.secret_key");
        assert_eq!(said("[plaid]", "[plad]"), "unknown field in the file of secrets: plad");
        assert_eq!(refused("stripe = \"CANARY\""), "in the file of secrets, stripe must be a section");
        let list = said("[\"whsec_CANARY\"]", "\"whsec_CANARY\"");
        assert_eq!(list, "in the file of secrets, stripe.webhook_secrets must be a list of texts");
        assert_eq!(said("\"WH-1\"", "7"), "in the file of secrets, paypal.webhook_id must be a text");
        let sample = "must be whole, as its gateway shows it, with no … and no spaces";
        for (whole, field) in [
            ("acct_1", "stripe.account"),
            ("sk_test_CANARY", "stripe.secret_key"),
            ("whsec_CANARY", "stripe.webhook_secrets"),
            ("app", "paypal.client_id"),
            ("WH-1", "paypal.webhook_id"),
            ("sk-ant-CANARY", "anthropic.api_key"),
        ] {
            let quoted = format!("\"{whole}\"");
            for part in [format!("\"{}…\"", &whole[..2]), format!("\"{whole} \""), "\"\"".to_owned()] {
                assert_eq!(said(&quoted, &part), format!("in the file of secrets, {field} {sample}"), "{part}");
            }
        }
        assert!(said("sk-ant-CANARY", "CANARY").contains("anthropic.api_key must be a key of Anthropic's"));
        assert!(said("sk_test_CANARY", "CANARY").contains("stripe.secret_key must be a test key"));
        assert_eq!(refused("[stripe]\nsecret_key = \"CANARY"), "the file of secrets is no TOML (line 2)");
    }
}
