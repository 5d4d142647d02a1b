//! The books of both sides, compared from the outside: our tables as they are, and the gateway's own record.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use local::stripe::BookEntry;
use serde::de::DeserializeOwned;
use shared::model::alert::AgentRun;
use shared::model::audit::{Entry, Head, is_intact};
use shared::model::invoice::{Invoice, InvoiceStatus};
use shared::model::payment::{FailureCode, Payment, PaymentStatus};

use crate::world::{ACCOUNT, TENANT, World};

/// An alert, as far as it is looked at here.
pub struct Alert {
    pub kind: String,
    pub open: bool,
    pub count: usize,
    pub invoice: String,
    pub payment: String,
}

/// Everything that both sides have written down.
pub struct Books {
    pub invoices: Vec<Invoice>,
    pub payments: Vec<Payment>,
    pub alerts: Vec<Alert>,
    pub runs: Vec<AgentRun>,
    trails: BTreeMap<String, Vec<Entry>>,
    gateway: Vec<BookEntry>,
}

fn parse<T: DeserializeOwned>(item: HashMap<String, AttributeValue>) -> T {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).unwrap()
}

impl Books {
    /// As they are now, straight from the tables: reading over the API would look payments up.
    pub async fn of(world: &World) -> Self {
        let invoices: Vec<Invoice> = world
            .items("INVOICES_TABLE", "tenant_id", TENANT)
            .await
            .into_iter()
            .filter(|item| !item["invoice_id"].as_s().unwrap().starts_with("bill#"))
            .map(parse)
            .collect();
        let mut trails = BTreeMap::new();
        for invoice in &invoices {
            let entity = format!("{TENANT}/invoice/{}", invoice.invoice_id);
            let entries = world.items("AUDIT_LOG_TABLE", "entity", &entity).await;
            trails.insert(invoice.invoice_id.to_string(), entries.into_iter().map(parse).collect());
        }
        let text = |item: &HashMap<String, AttributeValue>, name: &str| item[name].as_s().unwrap().clone();
        let alerts = world.items("ALERTS_TABLE", "tenant_id", TENANT).await;
        Self {
            payments: world.items("PAYMENTS_TABLE", "tenant_id", TENANT).await.into_iter().map(parse).collect(),
            alerts: alerts
                .iter()
                .map(|item| Alert {
                    kind: text(item, "kind"),
                    open: text(item, "status") == "open",
                    count: item["count"].as_n().unwrap().parse().unwrap(),
                    invoice: text(item, "invoice_id"),
                    payment: text(item, "payment_id"),
                })
                .collect(),
            runs: world.items("AGENT_RUNS_TABLE", "tenant_id", TENANT).await.into_iter().map(parse).collect(),
            gateway: world.stack.stripe.books(ACCOUNT),
            invoices,
            trails,
        }
    }

    /// What the gateway has of a payment.
    pub fn at_gateway(&self, payment: &str) -> Vec<&BookEntry> {
        self.gateway.iter().filter(|entry| entry.metadata.get("payment_id").is_some_and(|id| id == payment)).collect()
    }

    /// What holds at any time, while things are broken too.
    pub fn always(&self) {
        for invoice in &self.invoices {
            let of_invoice = |entry: &&BookEntry| {
                entry.captured && entry.metadata.get("invoice_id").is_some_and(|id| id == invoice.invoice_id.as_str())
            };
            let charges = self.gateway.iter().filter(of_invoice).count();
            assert!(charges <= 1, "{} is charged {charges} times", invoice.invoice_id);

            let entries = &self.trails[invoice.invoice_id.as_str()];
            assert_eq!(entries.len() as u64, invoice.version, "{}: one entry for each version", invoice.invoice_id);
            let head = Head { version: invoice.version, hash: invoice.audit_head.clone() };
            assert!(is_intact(entries, &head), "{}: the chain is broken", invoice.invoice_id);

            let unsettled: Vec<_> = self.payments_of(invoice).filter(|payment| payment.status.is_unsettled()).collect();
            assert!(unsettled.len() <= 1, "{} payments of {} are under way", unsettled.len(), invoice.invoice_id);
            let paying = invoice.status == InvoiceStatus::Paying;
            assert_eq!(paying, unsettled.len() == 1, "{} is {}: {unsettled:?}", invoice.invoice_id, invoice.status);
        }
        for payment in &self.payments {
            let objects = self.at_gateway(payment.id.as_str());
            assert!(objects.len() <= 1, "{} is {} objects at the gateway", payment.id, objects.len());
            let captured = objects.iter().any(|object| object.captured);
            if payment.status == PaymentStatus::Paid {
                assert!(captured, "{} is paid here and not charged there", payment.id);
            }
            if matches!(payment.status, PaymentStatus::Failed | PaymentStatus::Canceled) {
                assert!(!captured, "{} is {} here and charged there", payment.id, payment.status);
                self.failure(payment, &objects);
            }
            if payment.status.is_unsettled() {
                let alerted = self.alerts.iter().any(|alert| alert.open && alert.payment == payment.id.as_str());
                assert!(payment.next_check_at.is_some() || alerted, "{} is forgotten", payment.id);
                assert!(payment.unsettled_shard.is_some(), "the sweep does not see {}", payment.id);
            }
        }
    }

    fn payments_of<'a>(&'a self, invoice: &'a Invoice) -> impl Iterator<Item = &'a Payment> {
        self.payments.iter().filter(|payment| payment.invoice_id == invoice.invoice_id)
    }

    /// A failure is one that the gateway, or a person, has said; and somebody was called.
    fn failure(&self, payment: &Payment, objects: &[&BookEntry]) {
        let failure = payment.failure.as_ref().unwrap_or_else(|| panic!("{} failed without a reason", payment.id));
        match failure.code {
            FailureCode::GatewayUnavailable | FailureCode::NotExecuted => {
                assert!(objects.is_empty(), "{} failed for want of an answer: {objects:?}", payment.id);
            }
            FailureCode::Canceled => assert!(objects.iter().any(|object| object.status == "canceled"), "{objects:?}"),
            _ => assert!(objects.iter().any(|object| object.status == "requires_payment_method"), "{objects:?}"),
        }
        if matches!(failure.code, FailureCode::Canceled | FailureCode::NotExecuted) {
            return;
        }
        // Each failure raises its alert once more; one for which our key or request was refused raises another kind.
        let of_kind = |code: FailureCode| {
            let fails = |other: &&Payment| other.failure.as_ref().is_some_and(|failure| failure.code == code);
            self.payments.iter().filter(|other| other.invoice_id == payment.invoice_id).filter(fails).count()
        };
        let raised = |kind: &str| {
            let fits = |alert: &&Alert| alert.invoice == payment.invoice_id.as_str() && alert.kind == kind;
            self.alerts.iter().filter(fits).map(|alert| alert.count).sum::<usize>()
        };
        let called = raised(failure.code.as_str()) + raised("gateway_rejected");
        assert!(called >= of_kind(failure.code), "no alert for the failure of {}", payment.id);
        let class = |run: &&AgentRun| match failure.code {
            FailureCode::GatewayUnavailable => {
                ["unreachable", "busy", "key_refused", "rejected"].contains(&run.error_class.as_str())
            }
            code => run.error_class == code.as_str(),
        };
        let ran = self.runs.iter().filter(|run| run.payment_id == payment.id).any(|run| class(&run));
        assert!(ran, "no agent run for the failure of {}", payment.id);
    }

    /// What holds once everything has healed and recovery has run: nothing is open, and both books say the same.
    pub fn at_rest(&self) {
        self.always();
        for payment in &self.payments {
            assert!(!payment.status.is_unsettled(), "{} is still {}", payment.id, payment.status);
            let captured = self.at_gateway(payment.id.as_str()).iter().any(|object| object.captured);
            assert_eq!(payment.status == PaymentStatus::Paid, captured, "{} is {}", payment.id, payment.status);
        }
        for entry in self.gateway.iter().filter(|entry| entry.captured) {
            let ours = entry.metadata.get("payment_id").cloned().unwrap_or_default();
            assert!(self.payments.iter().any(|payment| payment.id.as_str() == ours), "{entry:?} is not in our books");
        }
        for invoice in &self.invoices {
            let paid = self.payments_of(invoice).filter(|payment| payment.status == PaymentStatus::Paid).count();
            let expected = if paid == 1 {
                invoice.status == InvoiceStatus::Paid
            } else {
                matches!(invoice.status, InvoiceStatus::Approved | InvoiceStatus::Void | InvoiceStatus::Draft)
            };
            assert!(expected, "{} is {} with {paid} paid payments", invoice.invoice_id, invoice.status);
        }
    }
}
