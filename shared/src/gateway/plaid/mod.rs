//! TEMP skeleton
use super::{Answer, Found, KnownMethod, Labels, MethodError, SeenRefund, Trouble};
use crate::clock::Time;
use crate::model::movement::Movement;
use crate::model::payment::Payment;
use crate::model::refund::Refund;
use crate::money::Money;
use crate::secrets::{BankAccess, PlaidSecret};
use std::time::Duration;
pub const API_VERSION: &str = "2020-09-14";
#[derive(Clone, Debug)]
pub struct Plaid {}
pub enum Leave {
    Granted(String),
    Answer(Answer),
}
pub struct Events {
    pub events: Vec<PlaidEvent>,
    pub has_more: bool,
}
pub struct PlaidEvent {
    pub id: u64,
    pub kind: String,
    pub at: Time,
    pub transfer: Option<String>,
    pub refund: Option<String>,
}
pub mod amount {
    use super::*;
    #[derive(Debug, thiserror::Error)]
    #[error("x")]
    pub struct E;
    pub fn to_wire(_: Money) -> Result<String, E> {
        todo!()
    }
}
pub mod event {
    pub fn is_worth_a_look(_: &str) -> bool {
        todo!()
    }
}
pub mod signature {
    use super::*;
    #[derive(Clone, Debug)]
    pub struct Verifier {}
    #[derive(Debug, thiserror::Error)]
    pub enum Refused {
        #[error("x")]
        NotGenuine,
        #[error("y")]
        NoKey,
    }
    impl Verifier {
        pub fn new(_: crate::clock::Clock) -> Self {
            Self {}
        }
        pub fn at(&self, _: crate::clock::Clock) -> Self {
            Self {}
        }
        pub async fn verify(&self, _: &Plaid, _: &PlaidSecret, _: &str, _: &[u8], _: Duration) -> Result<(), Refused> {
            todo!()
        }
    }
}
impl Plaid {
    pub async fn transfer_shown(
        &self,
        _: &PlaidSecret,
        _: &str,
        _: Duration,
    ) -> Result<Option<(Labels, Answer)>, Trouble> {
        todo!()
    }
    pub async fn refund_shown(&self, _: &PlaidSecret, _: &str, _: Duration) -> Result<Option<SeenRefund>, Trouble> {
        todo!()
    }
    pub fn new(_: reqwest::Client, _: &str) -> Self {
        Self {}
    }
    pub async fn authorize(&self, _: &PlaidSecret, _: &BankAccess, _: &Payment, _: Duration) -> Leave {
        todo!()
    }
    pub async fn transfer(&self, _: &PlaidSecret, _: &BankAccess, _: &Payment, _: &str, _: Duration) -> Answer {
        todo!()
    }
    pub async fn refund(&self, _: &PlaidSecret, _: &Refund, _: Duration) -> Answer {
        todo!()
    }
    pub async fn find(&self, _: &PlaidSecret, _: Movement<'_>, _: Duration) -> Found {
        todo!()
    }
    pub async fn read(&self, _: &PlaidSecret, _: Movement<'_>, _: &str, _: Duration) -> Found {
        todo!()
    }
    pub async fn cancel(&self, _: &PlaidSecret, _: Movement<'_>, _: &str, _: Duration) -> Found {
        todo!()
    }
    pub async fn labels(&self, _: &PlaidSecret, _: &str, _: Duration) -> Result<Option<Labels>, Trouble> {
        todo!()
    }
    pub async fn refunds(&self, _: &PlaidSecret, _: &str, _: Duration) -> Result<Vec<SeenRefund>, Trouble> {
        todo!()
    }
    pub async fn available(&self, _: &PlaidSecret, _: Option<&str>, _: Duration) -> Result<i64, Trouble> {
        todo!()
    }
    pub async fn events(&self, _: &PlaidSecret, _: u64, _: Duration) -> Result<Events, Trouble> {
        todo!()
    }
    pub async fn exchange(&self, _: &PlaidSecret, _: &str, _: Duration) -> Result<(BankAccess, String), MethodError> {
        todo!()
    }
    pub async fn account(&self, _: &PlaidSecret, _: &BankAccess, _: Duration) -> Result<KnownMethod, MethodError> {
        todo!()
    }
    pub async fn read_method(
        &self,
        _: &PlaidSecret,
        _: &BankAccess,
        _: &str,
        _: Duration,
    ) -> Result<KnownMethod, MethodError> {
        todo!()
    }
}
