//! Who may approve what: limits, four eyes, a second approver, and that somebody always can.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Time;
use crate::id::UserId;
use crate::model::invoice::{Approval, Invoice, InvoiceStatus};
use crate::model::tenant::{Member, Role, Settings};
use crate::money::Money;
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;

/// What an approval makes of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approved {
    /// The invoice may be paid.
    Fully(Vec<Approval>),
    /// A second person must approve.
    Partly(Vec<Approval>),
    /// Nothing changes: this person has approved already.
    Unchanged,
}

/// What the approval of `invoice` by `approver` makes of it. `earlier` are the members who have approved before: an
/// approval counts while its member could still give it.
///
/// # Errors
/// What stands against it, all of it.
pub fn approve(
    invoice: &Invoice,
    approver: &Member,
    earlier: &BTreeMap<UserId, Member>,
    settings: &Settings,
    now: Time,
) -> Result<Approved, Vec<Refusal>> {
    let given = invoice.approvals.iter().any(|approval| approval.user_id == approver.user_id);
    if given && matches!(invoice.status, InvoiceStatus::Draft | InvoiceStatus::Approved) {
        return Ok(Approved::Unchanged);
    }
    let mut refusals: Vec<Refusal> = match invoice.status {
        InvoiceStatus::Draft => Vec::new(),
        InvoiceStatus::Approved => {
            vec![Refusal::new(Code::InvoiceApproved, "The invoice is approved already and can be paid.")]
        }
        _ => not_payable(invoice).into_iter().collect(),
    };
    refusals.extend(limit(approver, invoice.money(), None));
    refusals.extend(four_eyes(settings, approver, &invoice.created_by, None));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let stands = |approval: &&Approval| {
        earlier.get(&approval.user_id).is_some_and(|member| {
            member.may(Permission::InvoicesApprove)
                && member.approval_limits.cover(invoice.money())
                && four_eyes(settings, member, &invoice.created_by, None).is_none()
        })
    };
    let mut approvals: Vec<Approval> = invoice.approvals.iter().filter(stands).cloned().collect();
    approvals.push(Approval { user_id: approver.user_id.clone(), at: now });
    let needed = if settings.needs_second_approval(invoice.money()) { 2 } else { 1 };
    Ok(if approvals.len() >= needed { Approved::Fully(approvals) } else { Approved::Partly(approvals) })
}

/// Why an invoice that is not `approved` can't be paid (or approved); `None` when it is approved.
#[must_use]
pub fn not_payable(invoice: &Invoice) -> Option<Refusal> {
    let refusal = match invoice.status {
        InvoiceStatus::Approved => return None,
        InvoiceStatus::Draft => Refusal::new(
            Code::InvoiceNotApproved,
            "The invoice is a draft; approve it first: POST /invoices/{id}/approve.",
        ),
        InvoiceStatus::Scheduled => {
            let refusal =
                Refusal::new(Code::InvoiceScheduled, "The invoice is scheduled; cancel the schedule to pay it now.");
            match &invoice.schedule_id {
                Some(schedule) => refusal.with("schedule_id", schedule.as_str()),
                None => refusal,
            }
        }
        InvoiceStatus::Paying => {
            let refusal = Refusal::new(
                Code::InvoiceBeingPaid,
                "A payment of the invoice is under way; read it to learn its outcome.",
            );
            with_payment(refusal, invoice)
        }
        InvoiceStatus::Paid | InvoiceStatus::PartiallyRefunded => {
            with_payment(Refusal::new(Code::InvoicePaid, "The invoice is paid."), invoice)
        }
        InvoiceStatus::Refunded => {
            with_payment(Refusal::new(Code::InvoiceRefunded, "The invoice was paid and refunded."), invoice)
        }
        InvoiceStatus::Void => Refusal::new(Code::InvoiceVoid, "The invoice is void; enter it again if it is owed."),
    };
    Some(refusal)
}

fn with_payment(refusal: Refusal, invoice: &Invoice) -> Refusal {
    match &invoice.current {
        Some(payment) => refusal.with("payment_id", payment.as_str()),
        None => refusal,
    }
}

/// Why `approver` may not answer for `money`: the limit.
#[must_use]
pub fn limit(approver: &Member, money: Money, field: Option<&str>) -> Option<Refusal> {
    (!approver.approval_limits.cover(money)).then(|| Refusal {
        field: field.map(str::to_owned),
        ..Refusal::new(
            Code::ApprovalLimitExceeded,
            format!("{money} is above the approval limit of {} in {}.", approver.user_id, money.currency),
        )
    })
}

/// Why `approver` may not answer for what `creator` entered: four eyes.
#[must_use]
pub fn four_eyes(settings: &Settings, approver: &Member, creator: &UserId, field: Option<&str>) -> Option<Refusal> {
    (settings.four_eyes && approver.user_id == *creator).then(|| Refusal {
        field: field.map(str::to_owned),
        ..Refusal::new(
            Code::FourEyes,
            format!("{creator} created the invoice and may not approve it: the tenant asks for four eyes."),
        )
    })
}

/// Whether somebody in the tenant can approve anything: within a limit, above the threshold with a second person, and
/// under four eyes something that another has entered.
#[must_use]
pub fn somebody_can_approve(settings: &Settings, members: &BTreeMap<UserId, Member>) -> bool {
    let limits = members.values().flat_map(|member| member.approval_limits.0.keys());
    // The smallest amount of each currency that anybody may approve; `*` stands for one that no threshold names.
    limits.collect::<BTreeSet<_>>().into_iter().any(|code| {
        let money = code.parse().ok().map(|currency| Money { amount_minor: 1, currency });
        let covers = |member: &&Member| match money {
            Some(money) => member.approval_limits.cover(money),
            None => member.approval_limits.0.contains_key("*"),
        };
        let approvers: Vec<&Member> =
            members.values().filter(|member| member.may(Permission::InvoicesApprove)).filter(covers).collect();
        let needed = if money.is_some_and(|money| settings.needs_second_approval(money)) { 2 } else { 1 };
        let without =
            |creator: &Member| approvers.iter().filter(|approver| approver.user_id != creator.user_id).count();
        if settings.four_eyes {
            members.values().any(|creator| creator.may(Permission::InvoicesWrite) && without(creator) >= needed)
        } else {
            approvers.len() >= needed
        }
    })
}

/// Who answers for a payment, out of the members that were read.
///
/// `named` is the request's `approved_by`; `recorded` the invoice's approvers, `None` for a payment that makes its
/// invoice. `creator` entered the invoice.
///
/// # Errors
/// What stands against every candidate that the rules allow.
pub fn answers_for(
    caller: &Member,
    named: Option<&UserId>,
    recorded: Option<&[Approval]>,
    creator: &UserId,
    money: Money,
    settings: &Settings,
    members: &BTreeMap<UserId, Member>,
) -> Result<Vec<UserId>, Vec<Refusal>> {
    let checked = |approver: &Member| checked(approver, creator, money, settings);
    match named {
        Some(user) if *user == caller.user_id => {
            if !caller.may(Permission::PaymentsApprove) {
                return Err(not_permitted(format!("{user} has no permission payments:approve.")));
            }
            checked(caller)
        }
        Some(user) => {
            if !caller.roles.contains(&Role::Service) {
                return Err(not_permitted("Only a caller with the role service may name another approver.".to_owned()));
            }
            let Some(approver) = members.get(user).filter(|member| member.may(Permission::PaymentsApprove)) else {
                return Err(not_permitted(format!("{user} is no member with the permission payments:approve.")));
            };
            if recorded.is_some_and(|approvals| approvals.iter().all(|approval| approval.user_id != *user)) {
                return Err(not_permitted(format!("{user} has not approved the invoice.")));
            }
            checked(approver)
        }
        None if answers_alone(caller, creator, settings) => checked(caller),
        None => {
            let approvals = recorded.unwrap_or_default();
            if approvals.is_empty() {
                let detail = format!("{} may not approve; name an approver who has.", caller.user_id);
                return Err(not_permitted(detail));
            }
            let users: Vec<UserId> = approvals.iter().map(|approval| approval.user_id.clone()).collect();
            still_answer(&users, creator, money, settings, members)
        }
    }
}

/// Whether those who approved still may, each checked again.
///
/// # Errors
/// What stands against any of them.
pub fn still_answer(
    approvers: &[UserId],
    creator: &UserId,
    money: Money,
    settings: &Settings,
    members: &BTreeMap<UserId, Member>,
) -> Result<Vec<UserId>, Vec<Refusal>> {
    let mut users = Vec::new();
    let mut refusals = Vec::new();
    for user in approvers {
        match members.get(user).filter(|member| member.may(Permission::PaymentsApprove)) {
            Some(approver) => match checked(approver, creator, money, settings) {
                Ok(user) => users.extend(user),
                Err(against) => refusals.extend(against),
            },
            None => refusals.extend(not_permitted(format!(
                "{user} approved the invoice and has no permission payments:approve any more."
            ))),
        }
    }
    if refusals.is_empty() { Ok(users) } else { Err(refusals) }
}

fn checked(
    approver: &Member,
    creator: &UserId,
    money: Money,
    settings: &Settings,
) -> Result<Vec<UserId>, Vec<Refusal>> {
    let against: Vec<Refusal> = limit(approver, money, Some("approved_by"))
        .into_iter()
        .chain(four_eyes(settings, approver, creator, Some("approved_by")))
        .collect();
    if against.is_empty() { Ok(vec![approver.user_id.clone()]) } else { Err(against) }
}

/// Whether a caller who names no approver answers for the payment himself; else the recorded approvers do.
#[must_use]
pub fn answers_alone(caller: &Member, creator: &UserId, settings: &Settings) -> bool {
    caller.may(Permission::PaymentsApprove) && !(settings.four_eyes && caller.user_id == *creator)
}

fn not_permitted(detail: String) -> Vec<Refusal> {
    vec![Refusal::field(Code::ApproverNotPermitted, "approved_by", detail)]
}
