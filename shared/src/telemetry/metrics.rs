//! Metrics: a line on standard output for each thing that happened, in CloudWatch's embedded metric format, from which
//! CloudWatch makes metrics by itself (Amazon CloudWatch, "Embedded metric format specification").
//!
//! What changes the books is reported when its commit is made, and so at most once, whoever brought it about. A line
//! carries ids beside its dimensions, and nothing of a request or of a gateway's answer.

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use metrique::CloseValue;
use metrique::emf::Emf;
use metrique::unit::{Count, Millisecond, Second};
use metrique::unit_of_work::metrics;
use metrique::writer::sink::FlushImmediately;
use metrique::writer::{BoxEntrySink, Entry, EntrySink, FormatExt};
use metrique::{InflectableEntry, RootEntry};

use crate::clock::Time;
use crate::id::{AlertId, PaymentId, TenantId};
use crate::model::alert::{AlertKind, Severity};
use crate::model::payment::{Gateway, Payment, PaymentStatus};
use crate::model::refund::{Refund, RefundStatus};
use crate::money::Money;

/// CloudWatch's namespace of all of them, where `METRICS_NAMESPACE` does not name another.
pub const NAMESPACE: &str = "Passerelle";

/// Where metrics go; clones go to the same place.
#[derive(Clone, Default)]
pub struct Metrics(Option<BoxEntrySink>);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// A payment came to another state.
#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Gateway", "Outcome"], ["Outcome"]])]
struct PaymentLine {
    #[metrics(timestamp)]
    at: SystemTime,
    gateway: &'static str,
    outcome: &'static str,
    #[metrics(unit = Count)]
    payments: u64,
    #[metrics(name = "tenant_id")]
    tenant_id: String,
    #[metrics(name = "invoice_id")]
    invoice_id: String,
    #[metrics(name = "payment_id")]
    payment_id: String,
}

/// A refund came to another state.
#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Gateway", "Outcome"], ["Outcome"]])]
struct RefundLine {
    #[metrics(timestamp)]
    at: SystemTime,
    gateway: &'static str,
    outcome: &'static str,
    #[metrics(unit = Count)]
    refunds: u64,
    #[metrics(name = "tenant_id")]
    tenant_id: String,
    #[metrics(name = "payment_id")]
    payment_id: String,
    #[metrics(name = "refund_id")]
    refund_id: String,
}

/// Money that was paid or went back, in the currency's minor unit.
#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Currency", "Movement"]])]
struct AmountLine {
    #[metrics(timestamp)]
    at: SystemTime,
    currency: String,
    movement: &'static str,
    amount_minor: u64,
}

/// A gateway was asked to move money.
#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Gateway"], ["Gateway", "Result"]])]
struct CallLine {
    #[metrics(timestamp)]
    at: SystemTime,
    gateway: &'static str,
    result: &'static str,
    #[metrics(unit = Millisecond)]
    gateway_latency: Duration,
    #[metrics(name = "payment_id")]
    payment_id: String,
}

/// How often a gateway was asked until it was settled, or left to recovery.
#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Gateway"]])]
struct AttemptsLine {
    #[metrics(timestamp)]
    at: SystemTime,
    gateway: &'static str,
    #[metrics(unit = Count)]
    gateway_attempts: u64,
    #[metrics(name = "payment_id")]
    payment_id: String,
}

/// A gateway's event was taken, or not.
#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Gateway", "Result"], ["Result"]])]
struct EventLine {
    #[metrics(timestamp)]
    at: SystemTime,
    gateway: &'static str,
    result: &'static str,
    #[metrics(unit = Count)]
    webhook_events: u64,
}

/// An alert was raised, or once more.
#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Kind"], ["Severity"]])]
struct AlertLine {
    #[metrics(timestamp)]
    at: SystemTime,
    kind: &'static str,
    severity: &'static str,
    #[metrics(unit = Count)]
    alerts: u64,
    #[metrics(name = "tenant_id")]
    tenant_id: String,
    #[metrics(name = "alert_id")]
    alert_id: String,
}

/// What is unsettled, of all tenants.
#[metrics(rename_all = "PascalCase")]
struct UnsettledLine {
    #[metrics(timestamp)]
    at: SystemTime,
    #[metrics(unit = Count)]
    unsettled: u64,
    #[metrics(unit = Second)]
    oldest_unsettled_age: Duration,
}

/// What a commit brings about.
#[derive(Clone, Debug)]
pub(crate) enum Happened {
    /// A payment came to another state.
    Payment(Box<Payment>),
    /// A refund came to another state.
    Refund(Box<Refund>, Gateway),
    /// An alert was raised.
    Alert(AlertKind, Severity, TenantId, AlertId),
}

/// A request to a gateway that moves money, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GatewayCall<'a> {
    pub gateway: Gateway,
    /// `ok`, or what was wrong.
    pub result: &'static str,
    pub took: Duration,
    pub payment_id: &'a PaymentId,
}

impl Metrics {
    /// Lines go to standard output, each as soon as it is made: a sandbox may be frozen after any answer.
    #[must_use]
    pub fn stdout(namespace: &str) -> Self {
        Self::to(namespace, io::stdout())
    }

    /// Lines go to `output`.
    #[must_use]
    pub fn to(namespace: &str, output: impl Write + Send + Sync + 'static) -> Self {
        let format = Emf::builder(namespace.to_owned(), vec![vec![]]).build();
        Self(Some(FlushImmediately::new_boxed(format.output_to(output))))
    }

    fn write<L>(&self, line: L)
    where
        L: CloseValue<Closed: InflectableEntry + Send + 'static>,
    {
        if let Some(sink) = &self.0 {
            sink.append(RootEntry::new(line.close()).boxed());
        }
    }

    pub(crate) fn happened(&self, happened: &Happened, at: Time) {
        let at = at.into();
        match happened {
            Happened::Payment(payment) => {
                self.write(PaymentLine {
                    at,
                    gateway: payment.frozen.gateway.as_str(),
                    outcome: payment.status.as_str(),
                    payments: 1,
                    tenant_id: payment.tenant_id.to_string(),
                    invoice_id: payment.invoice_id.to_string(),
                    payment_id: payment.id.to_string(),
                });
                if payment.status == PaymentStatus::Paid {
                    self.amount("paid", payment.money(), at);
                }
            }
            Happened::Refund(refund, gateway) => {
                self.write(RefundLine {
                    at,
                    gateway: gateway.as_str(),
                    outcome: refund.status.as_str(),
                    refunds: 1,
                    tenant_id: refund.tenant_id.to_string(),
                    payment_id: refund.payment_id.to_string(),
                    refund_id: refund.id.to_string(),
                });
                if refund.status == RefundStatus::Succeeded {
                    self.amount("refunded", refund.money(), at);
                }
            }
            Happened::Alert(kind, severity, tenant, id) => self.write(AlertLine {
                at,
                kind: kind.as_str(),
                severity: severity.as_str(),
                alerts: 1,
                tenant_id: tenant.to_string(),
                alert_id: id.to_string(),
            }),
        }
    }

    fn amount(&self, movement: &'static str, money: Money, at: SystemTime) {
        let amount_minor = u64::try_from(money.amount_minor).unwrap_or_default();
        self.write(AmountLine { at, currency: money.currency.to_string(), movement, amount_minor });
    }

    pub(crate) fn gateway_call(&self, call: GatewayCall<'_>, at: Time) {
        let GatewayCall { gateway, result, took, payment_id } = call;
        let (gateway, payment_id) = (gateway.as_str(), payment_id.to_string());
        self.write(CallLine { at: at.into(), gateway, result, gateway_latency: took, payment_id });
    }

    pub(crate) fn gateway_attempts(&self, gateway: Gateway, attempts: u32, payment_id: &PaymentId, at: Time) {
        let (gateway, payment_id) = (gateway.as_str(), payment_id.to_string());
        self.write(AttemptsLine { at: at.into(), gateway, gateway_attempts: attempts.into(), payment_id });
    }

    /// An event of a gateway's was answered: `done`, `seen` before, `ignored`, `refused`, or `failed` and wanted again.
    pub fn event(&self, gateway: Gateway, result: &'static str, at: Time) {
        self.write(EventLine { at: at.into(), gateway: gateway.as_str(), result, webhook_events: 1 });
    }

    pub(crate) fn unsettled(&self, unsettled: u64, oldest_unsettled_age: Duration, at: Time) {
        self.write(UnsettledLine { at: at.into(), unsettled, oldest_unsettled_age });
    }
}
