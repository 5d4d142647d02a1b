//! The books of both sides, compared from the outside: our tables as they are, and the gateway's own record.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use shared::clock::Time;
use shared::model::alert::AgentRun;
use shared::model::audit::{Entry, Head, is_intact};
use shared::model::invoice::{Invoice, InvoiceStatus};
use shared::model::payment::{FailureCode, Gateway, Payment, PaymentStatus};
use shared::model::refund::{Refund, RefundStatus};
use shared::model::schedule::{Schedule, ScheduleStatus};
use shared::model::tenant::Settings;
use shared::store::Cursor;

use super::ledger::{self, Charge, GivenBack, State};
use crate::world::{TENANT, World};

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
    /// When they were read.
    now: Time,
    pub invoices: Vec<Invoice>,
    pub payments: Vec<Payment>,
    pub refunds: Vec<Refund>,
    pub schedules: Vec<Schedule>,
    pub alerts: Vec<Alert>,
    pub runs: Vec<AgentRun>,
    trails: BTreeMap<String, Vec<Entry>>,
    pub(super) charges: Vec<Charge>,
    given_back: Vec<GivenBack>,
    /// Payments that a gateway has refused, or may have, without keeping anything of them.
    refused: BTreeSet<String>,
    pub(super) settings: Settings,
    /// How far the events of Plaid's are known.
    pub(super) cursor: Option<Cursor>,
}

/// Whether the money of a payment moved, whatever became of it later.
pub fn was_paid(payment: &Payment) -> bool {
    use PaymentStatus::{Paid, PartiallyRefunded, Refunded, Returned};
    matches!(payment.status, Paid | PartiallyRefunded | Refunded | Returned)
}

fn parse<T: DeserializeOwned>(item: HashMap<String, AttributeValue>) -> T {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).unwrap()
}

fn of_kind<T: DeserializeOwned>(items: &[HashMap<String, AttributeValue>], prefix: &str) -> Vec<T> {
    let is_it = |item: &&HashMap<String, AttributeValue>| item["id"].as_s().unwrap().starts_with(prefix);
    items.iter().filter(is_it).cloned().map(parse).collect()
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
        // Not every alert is about an invoice.
        let text = |item: &HashMap<String, AttributeValue>, name: &str| {
            item.get(name).map(|value| value.as_s().unwrap().clone()).unwrap_or_default()
        };
        let items = world.items("PAYMENTS_TABLE", "tenant_id", TENANT).await;
        let alerts = world.items("ALERTS_TABLE", "tenant_id", TENANT).await;
        let records = world.items("TENANTS_TABLE", "tenant_id", TENANT).await;
        let record = |name: &str| records.iter().find(|item| text(item, "record") == name).cloned();
        Self {
            now: world.clock.now(),
            settings: parse(record("settings").unwrap()),
            cursor: record("cursor#plaid").map(parse),
            payments: of_kind(&items, "pay_"),
            refunds: of_kind(&items, "ref_"),
            schedules: world
                .items("SCHEDULED_PAYMENTS_TABLE", "tenant_id", TENANT)
                .await
                .into_iter()
                .map(parse)
                .collect(),
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
            charges: ledger::charges(world),
            given_back: ledger::given_back(world),
            refused: ledger::refused(world),
            invoices,
            trails,
        }
    }

    /// What the gateway has of a payment.
    pub fn at_gateway(&self, payment: &str) -> Vec<&Charge> {
        self.charges.iter().filter(|charge| charge.payment == payment).collect()
    }

    /// What holds at any time, while things are broken too.
    pub fn always(&self) {
        self.promises();
        self.banks();
        for invoice in &self.invoices {
            // What was taken back may be paid again.
            let of_invoice = |charge: &&Charge| {
                charge.state == State::Moved
                    && !charge.came_back
                    && self.payments_of(invoice).any(|payment| payment.id.as_str() == charge.payment)
            };
            let charges = self.charges.iter().filter(of_invoice).count();
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
            let living = objects.iter().filter(|object| object.state != State::Refused).count();
            assert!(living <= 1, "{} is {living} objects at the gateway", payment.id);
            let captured = objects.iter().any(|object| object.state == State::Moved);
            if was_paid(payment) {
                let came_back = objects.iter().any(|object| object.state == State::Returned);
                assert!(captured || came_back, "{} is paid here and not charged there", payment.id);
            }
            if matches!(payment.status, PaymentStatus::Failed | PaymentStatus::Canceled) {
                assert!(!captured, "{} is {} here and charged there", payment.id, payment.status);
                self.failure(payment, &objects);
            }
            self.sums(payment);
            if payment.status.is_unsettled() {
                let alerted = self.alerts.iter().any(|alert| alert.open && alert.payment == payment.id.as_str());
                assert!(payment.progress.next_check_at.is_some() || alerted, "{} is forgotten", payment.id);
                assert!(payment.progress.unsettled_shard.is_some(), "the sweep does not see {}", payment.id);
            }
        }
    }

    /// The sums on a payment are those of its refunds, and nothing is refunded that was not paid.
    fn sums(&self, payment: &Payment) {
        let refunds: Vec<&Refund> = self.refunds.iter().filter(|refund| refund.payment_id == payment.id).collect();
        let sum = |keep: &dyn Fn(&Refund) -> bool| {
            refunds.iter().filter(|refund| keep(refund)).map(|refund| refund.amount).sum::<i64>()
        };
        let sums = payment.refunds;
        assert_eq!(sums.held, sum(&|refund| refund.status.holds()), "{} holds another sum", payment.id);
        assert_eq!(sums.succeeded, sum(&|refund| refund.status == RefundStatus::Succeeded), "{}", payment.id);
        assert_eq!(sums.listed, sum(&|refund| refund.reference().is_some()), "{}", payment.id);
        assert!(
            sum(&|refund| refund.status.holds() && !refund.external) <= payment.amount,
            "{} is over-refunded",
            payment.id
        );
        for refund in refunds {
            let objects = self.refunds_at_gateway(refund);
            assert!(objects.len() <= 1, "{} is {} objects at the gateway", refund.id, objects.len());
            match refund.status {
                RefundStatus::Succeeded => {
                    assert!(!objects.is_empty(), "{} succeeded here and is not there", refund.id)
                }
                RefundStatus::Failed | RefundStatus::Canceled => {
                    let lives = objects.iter().any(|object| object.status.holds());
                    assert!(!lives, "{} is {} here: {objects:?}", refund.id, refund.status);
                    self.refund_failure(refund);
                }
                RefundStatus::Processing => {
                    let alerted = self.alerts.iter().any(|alert| alert.open && alert.payment == payment.id.as_str());
                    let progress = &refund.progress;
                    assert!(progress.next_check_at.is_some() || alerted, "{} is forgotten", refund.id);
                    assert!(progress.unsettled_shard.is_some(), "the sweep does not see {}", refund.id);
                }
            }
        }
    }

    fn refunds_at_gateway(&self, refund: &Refund) -> Vec<&GivenBack> {
        self.given_back.iter().filter(|entry| is_of(entry, refund)).collect()
    }

    /// Somebody was called when a refund of ours failed, unless a person wanted it so.
    fn refund_failure(&self, refund: &Refund) {
        let failure = refund.failure.as_ref().unwrap_or_else(|| panic!("{} failed without a reason", refund.id));
        if refund.external || matches!(failure.code, FailureCode::Canceled | FailureCode::NotExecuted) {
            return;
        }
        let kinds = ["refund_failed", "refund_came_back", "gateway_rejected"];
        let called =
            |alert: &Alert| alert.payment == refund.payment_id.as_str() && kinds.contains(&alert.kind.as_str());
        assert!(self.alerts.iter().any(called), "no alert for the failure of {}", refund.id);
        let ran = self.runs.iter().any(|run| run.refund_id.as_ref() == Some(&refund.id));
        assert!(ran, "no agent run for the failure of {}", refund.id);
    }

    /// A promise holds its invoice while it is open, and somebody, or the executor, looks at it.
    fn promises(&self) {
        for schedule in &self.schedules {
            let invoice = self.invoices.iter().find(|invoice| invoice.invoice_id == schedule.invoice_id).unwrap();
            let holds = invoice.schedule_id.as_ref() == Some(&schedule.id);
            assert_eq!(holds, schedule.status.is_open(), "{} is {}", schedule.id, schedule.status);
            let expected = match schedule.status {
                ScheduleStatus::Executing => InvoiceStatus::Paying,
                status if status.is_open() => InvoiceStatus::Scheduled,
                _ => invoice.status,
            };
            assert_eq!(invoice.status, expected, "{} is {}", schedule.id, schedule.status);
            assert_eq!(schedule.due_shard.is_some(), schedule.status.is_awaited(), "{}", schedule.id);
            if matches!(schedule.status, ScheduleStatus::AwaitingMethod | ScheduleStatus::InReview) {
                let called = |alert: &Alert| alert.open && alert.invoice == schedule.invoice_id.as_str();
                assert!(self.alerts.iter().any(called), "{} waits and nobody was called", schedule.id);
            }
        }
    }

    pub(super) fn payments_of<'a>(&'a self, invoice: &'a Invoice) -> impl Iterator<Item = &'a Payment> {
        self.payments.iter().filter(|payment| payment.invoice_id == invoice.invoice_id)
    }

    /// A failure is one that the gateway, or a person, has said; and somebody was called.
    fn failure(&self, payment: &Payment, objects: &[&Charge]) {
        let failure = payment.failure.as_ref().unwrap_or_else(|| panic!("{} failed without a reason", payment.id));
        let has = |state: State| objects.iter().any(|object| object.state == state);
        match failure.code {
            // PayPal keeps nothing of an order that it refuses, or that nobody has captured.
            FailureCode::Canceled if objects.is_empty() => assert_eq!(payment.frozen.gateway, Gateway::Paypal),
            FailureCode::Canceled => assert!(has(State::Canceled), "{objects:?}"),
            FailureCode::GatewayUnavailable | FailureCode::NotExecuted => {
                // A batch that was denied before anybody heard of it has paid nothing.
                let moves = |object: &&Charge| object.state != State::Refused;
                assert!(!objects.iter().any(moves), "{} failed for want of an answer: {objects:?}", payment.id);
            }
            // Looked at beforehand, and not asked for at all.
            FailureCode::InsufficientFunds if objects.is_empty() && payment.is_transfer() => {}
            _ if objects.is_empty() => assert!(self.refused.contains(payment.id.as_str()), "{} failed", payment.id),
            _ => assert!(has(State::Refused) || has(State::Canceled) || has(State::Returned), "{objects:?}"),
        }
        if matches!(failure.code, FailureCode::Canceled | FailureCode::NotExecuted) {
            return;
        }
        // Each failure raises its alert once more; one for which our key or request was refused raises another kind, and
        // so does one that an account's owner has not authorized.
        let of_kind = |code: FailureCode| {
            let fails = |other: &&Payment| other.failure.as_ref().is_some_and(|failure| failure.code == code);
            self.payments.iter().filter(|other| other.invoice_id == payment.invoice_id).filter(fails).count()
        };
        let raised = |kind: &str| {
            let fits = |alert: &&Alert| alert.invoice == payment.invoice_id.as_str() && alert.kind == kind;
            self.alerts.iter().filter(fits).map(|alert| alert.count).sum::<usize>()
        };
        let called = raised(failure.code.as_str()) + raised("gateway_rejected") + raised("debit_not_authorized");
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
            let objects = self.at_gateway(payment.id.as_str());
            let moved = |object: &&&Charge| match object.state {
                State::Moved => true,
                // Before anybody has seen it settle, or after.
                State::Returned => payment.status != PaymentStatus::Failed,
                State::Open | State::Refused | State::Canceled => false,
            };
            let captured = objects.iter().find(moved);
            assert_eq!(was_paid(payment), captured.is_some(), "{} is {}: {objects:?}", payment.id, payment.status);
            if let Some(object) = captured {
                self.after_payment(payment, object);
            }
        }
        for charge in self.charges.iter().filter(|charge| charge.state == State::Moved) {
            let ours = self.payments.iter().any(|payment| payment.id.as_str() == charge.payment);
            assert!(ours, "{charge:?} is not in our books");
        }
        for invoice in &self.invoices {
            let current = self.payments_of(invoice).find(|payment| invoice.current.as_ref() == Some(&payment.id));
            let expected = match current.map(|payment| payment.status) {
                Some(PaymentStatus::Paid) => invoice.status == InvoiceStatus::Paid,
                Some(PaymentStatus::PartiallyRefunded) => invoice.status == InvoiceStatus::PartiallyRefunded,
                Some(PaymentStatus::Refunded) => invoice.status == InvoiceStatus::Refunded,
                // Taken back although money of it was refunded: a person decides.
                Some(PaymentStatus::Returned) => invoice.status != InvoiceStatus::Approved,
                Some(_) => false,
                None if invoice.schedule_id.is_some() => invoice.status == InvoiceStatus::Scheduled,
                None => matches!(invoice.status, InvoiceStatus::Approved | InvoiceStatus::Void | InvoiceStatus::Draft),
            };
            assert!(expected, "{} is {}, its payment {current:?}", invoice.invoice_id, invoice.status);
            let stray = self.payments_of(invoice).any(|payment| {
                was_paid(payment)
                    && payment.status != PaymentStatus::Returned
                    && invoice.current.as_ref() != Some(&payment.id)
            });
            assert!(!stray, "{} has another paid payment", invoice.invoice_id);
        }
        for schedule in &self.schedules {
            let overdue = schedule.status.is_awaited() && schedule.due_at <= self.now;
            assert!(!overdue, "{} is {} and was due at {}", schedule.id, schedule.status, schedule.due_at);
        }
    }

    /// What went back and what was disputed is the same in both books.
    fn after_payment(&self, payment: &Payment, object: &Charge) {
        let there: i64 = object.refunded;
        let refunds = payment.refunds;
        assert_eq!(refunds.held + refunds.external(), there, "{}: another sum is refunded there", payment.id);
        assert_eq!(refunds.external(), 0, "{}: all refunds are known one by one", payment.id);
        for entry in self.given_back.iter().filter(|entry| entry.charge == object.id) {
            let ours = self.refunds.iter().find(|refund| is_of(entry, refund));
            let ours = ours.unwrap_or_else(|| panic!("{entry:?} is not in our books"));
            assert_eq!((ours.status, ours.amount), (entry.status, entry.amount), "{}", ours.id);
        }
        assert_eq!(payment.disputed, object.disputed, "{}: {object:?}", payment.id);
        let returned = payment.status == PaymentStatus::Returned;
        assert_eq!(returned, object.came_back, "{} is {}: {object:?}", payment.id, payment.status);
        let expected = match there {
            _ if returned => payment.status,
            0 => PaymentStatus::Paid,
            part if part < payment.amount => PaymentStatus::PartiallyRefunded,
            _ => PaymentStatus::Refunded,
        };
        // What is pending there is held here, and not refunded yet.
        if refunds.held == refunds.succeeded {
            assert_eq!(payment.status, expected, "{}", payment.id);
        }
    }
}

/// Whether it is this refund of ours in the gateway's books.
fn is_of(entry: &GivenBack, refund: &Refund) -> bool {
    entry.refund.as_deref() == Some(refund.id.as_str()) || refund.reference() == Some(entry.id.as_str())
}
