//! What a model is told about an alert.
//!
//! A list of what may be told, not of what must not: kinds, states, codes, amounts, times and counts. Names, addresses,
//! e-mails, notes, descriptions and messages are not on it, nor are ids, keys, accounts and what is left of card
//! numbers; our own ids become `payment_1` and the like. So no vendor can write a word of what the model reads. The one
//! thing that comes from outside are the gateways' codes, and these pass as single words only.

use serde_json::{Value, json};

use crate::id::PaymentId;
use crate::model::alert::{AgentRun, Raised};
use crate::model::audit::Entry;
use crate::model::invoice::Invoice;
use crate::model::payment::{Failure, Payment};
use crate::model::return_code;
use crate::policy::analysis::{Facts, Reason};

/// All that was read about an alert.
#[derive(Debug)]
pub struct Known<'a> {
    /// The alert.
    pub alert: &'a Raised,
    /// Why it is complex.
    pub reason: Reason,
    /// What that was judged by.
    pub facts: Facts,
    /// Its payment.
    pub payment: Option<&'a Payment>,
    /// Its invoice.
    pub invoice: Option<&'a Invoice>,
    /// Agent runs of the payment, its method and its vendor, newest first.
    pub runs: &'a [AgentRun],
    /// The last entries of the invoice's trail, oldest first.
    pub trail: &'a [Entry],
}

impl Known<'_> {
    /// As it is told.
    #[must_use]
    pub fn told(&self) -> Value {
        let mut names = Names::default();
        // The payment that it is about is the first, whoever else is in the runs.
        let payment = self.payment.map(|payment| payment_told(payment, &mut names));
        let alert = self.alert;
        json!({
            "alert": {
                "kind": alert.kind, "severity": alert.severity, "times_raised": alert.count,
                "first_seen": alert.first_seen, "last_seen": alert.last_seen,
                "is_about_a_scheduled_payment": alert.schedule_id.is_some(),
            },
            "why_it_is_looked_at": self.reason,
            "failed_payments_lately": { "same_method": self.facts.of_method, "same_vendor": self.facts.of_vendor },
            "payment": payment,
            "invoice": self.invoice.map(invoice_told),
            "failed_or_abnormal_executions_newest_first":
                self.runs.iter().map(|run| run_told(run, &mut names)).collect::<Vec<_>>(),
            "invoice_history_oldest_first": self.trail.iter().filter_map(entry_told).collect::<Vec<_>>(),
        })
    }
}

/// Names for payments, in the order in which they are spoken of.
#[derive(Default)]
struct Names(Vec<PaymentId>);

impl Names {
    fn of(&mut self, id: &PaymentId) -> String {
        let known = self.0.iter().position(|other| other == id);
        let place = known.unwrap_or_else(|| {
            self.0.push(id.clone());
            self.0.len() - 1
        });
        format!("payment_{}", place + 1)
    }
}

fn payment_told(payment: &Payment, names: &mut Names) -> Value {
    json!({
        "name": names.of(&payment.id),
        "status": payment.status,
        "gateway": payment.frozen.gateway,
        "paid_by": payment.payment_method,
        "is_bank_debit": payment.is_debit(),
        "goes_to_a_vendors_account": payment.frozen.destination.is_some(),
        "is_of_a_schedule": payment.schedule_id.is_some(),
        "amount_in_minor_units": payment.amount,
        "currency": payment.currency,
        "created_at": payment.created_at,
        "paid_at": payment.paid_at,
        "expected_settlement_date": payment.expected_settlement_date,
        "gateway_has_named_an_object": payment.reference().is_some(),
        "gateway_has_named_an_order": payment.order_id.is_some(),
        "failure": payment.failure.as_ref().map(failure_told),
        "lookups_without_an_end": payment.progress.checks,
        "last_send_allowed_until": payment.progress.send_until,
        "is_disputed": payment.disputed,
        "disputes": payment.disputes.seen,
        "lost_in_disputes": payment.disputes.lost,
        "refunded": payment.refunds.refunded(),
        "refunded_or_being_refunded": payment.refunds.gone(),
    })
}

fn failure_told(failure: &Failure) -> Value {
    let code = failure.gateway_code.as_deref();
    json!({
        "code": failure.code,
        "gateway_code": code.map(word),
        "bank_return_code_means": code.and_then(return_code::meaning),
        "bank_return_class": failure.returned,
    })
}

fn invoice_told(invoice: &Invoice) -> Value {
    json!({
        "kind": invoice.kind,
        "status": invoice.status,
        "amount_in_minor_units": invoice.amount,
        "currency": invoice.currency,
        "payments_so_far": invoice.payments.len(),
        "is_disputed": invoice.disputed,
    })
}

fn run_told(run: &AgentRun, names: &mut Names) -> Value {
    json!({
        "payment": names.of(&run.payment_id),
        "is_about_a_refund": run.refund_id.is_some(),
        "action": run.action,
        "error_class": word(&run.error_class),
        "gateway_code": run.gateway_code.as_deref().map(word),
        "requests_sent": run.attempts,
        "duration_ms": run.duration_ms,
        "at": run.at,
    })
}

/// Of an entry what was done, by whom in general, and from which state to which.
fn entry_told(entry: &Entry) -> Option<Value> {
    let record: Value = serde_json::from_str(&entry.record).ok()?;
    let by = record.get("user_id")?.as_str()?;
    let states = record.get("changes").and_then(|changes| changes.get("status")).and_then(Value::as_array);
    let states: Vec<String> = states.into_iter().flatten().filter_map(Value::as_str).map(word).collect();
    Some(json!({
        "action": record.get("action").and_then(Value::as_str).map(word),
        "by": if by.starts_with("system:") { "the system" } else { "a person" },
        "status": states,
        "at": entry.at,
    }))
}

/// Characters of the longest code that a gateway documents, and some more.
const WORD: usize = 64;

/// Digits of a code: `R01`, `5120`, `00N7`. More of them are a number that stands for somebody.
const DIGITS: usize = 4;

/// What keys, tokens and objects of gateways begin with.
const KEYS: [&str; 23] = [
    "sk_",
    "sk-",
    "rk_",
    "pk_",
    "whsec_",
    "access-sandbox",
    "access-production",
    "public-sandbox",
    "public-production",
    "link-sandbox",
    "link-production",
    "acct_",
    "cus_",
    "pm_",
    "pi_",
    "ch_",
    "re_",
    "tr_",
    "seti_",
    "ba_",
    "src_",
    "tok_",
    "mandate_",
];

/// Whether a word begins like a key, a token or an object of a gateway.
pub(super) fn is_key(word: &str) -> bool {
    KEYS.iter().any(|prefix| word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))
}

/// A code as it is told: a single word, or that there was something else.
fn word(text: &str) -> String {
    let is_word = (1..=WORD).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        && text.bytes().filter(u8::is_ascii_digit).count() <= DIGITS;
    if is_word && !is_key(text) { text.to_owned() } else { "(not a code)".to_owned() }
}

#[cfg(test)]
mod tests;
