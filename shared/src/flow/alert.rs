//! Whom a settlement calls, and what it logs: alerts with their words, and agent runs.

use super::Invocation;
use crate::app::App;
use crate::clock::Time;
use crate::id::{AlertId, MethodId, time_ordered};
use crate::model::alert::{AgentRun, Alert, AlertKind, RunAction};
use crate::model::method::Method;
use crate::model::payment::Failure;
use crate::model::return_code;
use crate::model::schedule::Schedule;
use crate::model::transition::Case;
use crate::policy::failure;
use crate::policy::refusal::Refusal;

/// An alert about a case, raised by a change of it (`why` where that is a failure), or by an outcome that nobody knows.
#[must_use]
pub fn alert(case: &Case, kind: AlertKind, why: Option<&Failure>, at: Time) -> Alert {
    let movement = case.movement();
    let (payment, noun, id) = (&case.payment, movement.noun(), movement.id());
    let subject = format!("{} {id} of {} for invoice {}", capitalized(noun), movement.money(), case.invoice.invoice_id);
    let paid = format!("Payment {} of {} for invoice {}", payment.id, payment.money(), payment.invoice_id);
    let about_payment = format!("payment/{}", payment.id);
    let returned = why.or(payment.failure.as_ref()).map(said).unwrap_or_default();
    let (entity, message) = match kind {
        AlertKind::PaidVoidInvoice => {
            (about_payment, format!("{paid} was executed, and the invoice is void: refund {}.", payment.id))
        }
        AlertKind::Disputed if payment.disputed => (about_payment, format!("{paid} is disputed.")),
        AlertKind::Disputed => (about_payment, format!("{paid}: the payer, or the payer's bank, asks about it.")),
        AlertKind::RefundExecuted => (
            format!("{noun}/{id}"),
            format!("{subject} was believed to have failed, and is {} after all.", movement.status()),
        ),
        AlertKind::DisputeLostInPart => {
            let lost = payment.disputes.lost;
            (about_payment, format!("{paid}: disputes over a part of it, {lost} in minor units, were lost."))
        }
        AlertKind::Returned => {
            (about_payment, format!("{paid} was taken back{returned}. The invoice is {}.", case.invoice.status))
        }
        AlertKind::ReturnedAfterRefund => {
            (about_payment, format!("{paid} was taken back{returned}, and money of it was refunded or is on its way."))
        }
        // A late return is no failure to pay, but its method is no good all the same.
        AlertKind::PaymentMethodInvalid | AlertKind::DebitNotAuthorized if why.is_none() => {
            let method = payment.payment_method_id.as_ref().map_or("its method", MethodId::as_str);
            (format!("method/{method}"), format!("{paid} was taken back{returned}; {method} can't be used any more."))
        }
        AlertKind::TransferReversed => (about_payment, format!("{paid}: the transfer to its account was reversed.")),
        AlertKind::OutcomeUnknown if movement.reference().or(movement.order()).is_some() => {
            (format!("{noun}/{id}"), format!("{subject} is open at the gateway and says nothing about money."))
        }
        AlertKind::OutcomeUnknown => {
            let message = format!(
                "{subject} is not to be found at the gateway, or the gateway does not say, and its key has expired."
            );
            (format!("{noun}/{id}"), message)
        }
        AlertKind::AnswerMismatch => {
            (format!("{noun}/{id}"), format!("{subject} differs from what the gateway shows."))
        }
        AlertKind::AccountChanged => {
            let message = format!("{subject} was reserved for another gateway account than the secret names.");
            (format!("{noun}/{id}"), message)
        }
        AlertKind::RefundCameBack => (format!("{noun}/{id}"), format!("{subject} had succeeded and came back.")),
        AlertKind::GatewayRejected if why.is_none() => {
            (format!("{noun}/{id}"), format!("{subject} was refused by the gateway as a request."))
        }
        // The same failure of the same invoice is the same alert.
        _ => {
            let code = why.map_or("unknown", |why| why.code.as_str());
            let gateway_code = why.and_then(|why| why.gateway_code.as_deref()).unwrap_or("none");
            let meaning = why.map(said).unwrap_or_default();
            let entity = match &case.refund {
                Some(refund) => format!("refund/{}", refund.id),
                None => format!("invoice/{}", payment.invoice_id),
            };
            (entity, format!("{subject} failed: {code} (gateway code {gateway_code}){meaning}."))
        }
    };
    let (severity, next_action) = failure::next_action(kind);
    let promised = case.schedule.as_ref().and_then(|schedule| failure::next_action_promised(kind, schedule.status));
    let next_action = promised.unwrap_or(next_action);
    Alert {
        tenant_id: payment.tenant_id.clone(),
        alert_id: AlertId::of(&payment.tenant_id, kind.as_str(), &entity),
        kind,
        severity,
        invoice_id: Some(payment.invoice_id.clone()),
        payment_id: Some(payment.id.clone()),
        schedule_id: case.schedule.as_ref().map(|schedule| schedule.id.clone()),
        method_id: payment.payment_method_id.clone().filter(|_| is_about_method(kind)),
        message,
        next_action: next_action
            .replace("{path}", &format!("/{noun}s/{id}"))
            .replace("{schedule}", case.schedule.as_ref().map_or("", |schedule| schedule.id.as_str())),
        at,
    }
}

/// What the bank said when it returned a payment; nothing where no bank did.
fn said(why: &Failure) -> String {
    let code = why.gateway_code.as_deref().filter(|_| why.returned.is_some());
    match code.map(|code| (code, return_code::meaning(code))) {
        Some((code, Some(meaning))) => format!(" by the bank, {code}: {meaning}"),
        Some((code, None)) => format!(" by the bank, {code}"),
        None => String::new(),
    }
}

/// An alert about a method itself, whoever it was to pay.
#[must_use]
pub fn method_alert(method: &Method, kind: AlertKind, at: Time) -> Alert {
    let (severity, next_action) = failure::next_action(kind);
    let named = [method.brand.as_deref(), method.last4.as_deref()].map(Option::unwrap_or_default).join(" ");
    let end = method.end().map(|end| end.strftime("%m/%Y").to_string()).unwrap_or_default();
    let said = match kind {
        AlertKind::PaymentMethodExpiring if method.status.is_usable() => format!("ends in {end}"),
        AlertKind::PaymentMethodExpiring => format!("has ended in {end}"),
        AlertKind::DebitNotAuthorized => "is blocked by its bank: its owner did not authorize a debit".to_owned(),
        _ => "is not good any more, says its bank".to_owned(),
    };
    Alert {
        tenant_id: method.tenant_id.clone(),
        alert_id: AlertId::of(&method.tenant_id, kind.as_str(), &format!("method/{}", method.id)),
        kind,
        severity,
        invoice_id: None,
        payment_id: None,
        schedule_id: None,
        method_id: Some(method.id.clone()),
        message: format!("Payment method {} of {} ({}) {said}.", method.id, method.owner, named.trim()),
        next_action: next_action.to_owned(),
        at,
    }
}

/// Whether an alert asks for something to be done about the payment method.
fn is_about_method(kind: AlertKind) -> bool {
    matches!(kind, AlertKind::PaymentMethodInvalid | AlertKind::DebitNotAuthorized)
}

/// Alerts that an invoice was paid more than once: one for each payment that is to be refunded.
pub fn paid_twice(case: &Case, at: Time) -> impl Iterator<Item = Alert> {
    let invoice = &case.invoice;
    let kind = AlertKind::PaidTwice;
    let (severity, next_action) = failure::next_action(kind);
    invoice.also_paid.iter().map(move |other| Alert {
        tenant_id: invoice.tenant_id.clone(),
        alert_id: AlertId::of(&invoice.tenant_id, kind.as_str(), &format!("payment/{}", other.payment_id)),
        kind,
        severity,
        invoice_id: Some(invoice.invoice_id.clone()),
        payment_id: Some(other.payment_id.clone()),
        schedule_id: None,
        method_id: None,
        message: format!(
            "Invoice {} was paid twice: refund {} of {}.",
            invoice.invoice_id,
            other.payment_id,
            invoice.money()
        ),
        next_action: next_action.to_owned(),
        at,
    })
}

fn capitalized(noun: &str) -> &str {
    match noun {
        "refund" => "Refund",
        _ => "Payment",
    }
}

/// An alert about a scheduled payment that is not made, since something stands against it.
#[must_use]
pub fn schedule_alert(schedule: &Schedule, kind: AlertKind, refusals: &[Refusal], at: Time) -> Alert {
    let (severity, next_action) = failure::next_action(kind);
    let why: Vec<&str> = refusals.iter().map(|refusal| refusal.detail.as_str()).collect();
    let message = format!(
        "Scheduled payment {} of {} for invoice {} was not made. {}",
        schedule.id,
        schedule.money(),
        schedule.invoice_id,
        if why.is_empty() {
            "Its method was no good, and no other was chosen since.".to_owned()
        } else {
            why.join(" ")
        }
    );
    Alert {
        tenant_id: schedule.tenant_id.clone(),
        alert_id: AlertId::of(&schedule.tenant_id, kind.as_str(), &format!("invoice/{}", schedule.invoice_id)),
        kind,
        severity,
        invoice_id: Some(schedule.invoice_id.clone()),
        payment_id: None,
        schedule_id: Some(schedule.id.clone()),
        method_id: None,
        message,
        next_action: next_action.replace("{schedule}", schedule.id.as_str()),
        at,
    }
}

/// An execution that failed or was abnormal.
#[derive(Clone, Copy, Debug)]
pub struct Execution<'a> {
    /// What it was for.
    pub action: RunAction,
    /// Class of the error.
    pub class: &'a str,
    /// The gateway's own code.
    pub gateway_code: Option<&'a str>,
    /// Requests sent to move money.
    pub attempts: u32,
}

/// The log of an execution that failed or was abnormal.
#[must_use]
pub fn run(app: &App, invocation: &Invocation, case: &Case, execution: Execution<'_>) -> AgentRun {
    let now = app.clock.now();
    AgentRun {
        tenant_id: case.payment.tenant_id.clone(),
        run_id: format!("run_{}", time_ordered(now)),
        action: execution.action,
        user_id: invocation.actor.user_id.clone(),
        request_id: invocation.actor.request_id.clone(),
        invoice_id: case.invoice.invoice_id.clone(),
        payment_id: case.payment.id.clone(),
        refund_id: case.refund.as_ref().map(|refund| refund.id.clone()),
        error_class: execution.class.to_owned(),
        gateway_code: execution.gateway_code.map(str::to_owned),
        attempts: execution.attempts,
        duration_ms: u64::try_from(now.since(invocation.started_at).as_millis()).unwrap_or(u64::MAX),
        at: now,
    }
}
