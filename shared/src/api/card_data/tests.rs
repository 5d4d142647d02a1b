//! What is taken for card data, and what ordinary requests may hold without being refused.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::clock::Time;
use crate::id::{AlertId, InvoiceId, MethodId, PaymentId, RefundId, ScheduleId, TenantId};
use crate::money::MAX_AMOUNT_MINOR;

#[test]
fn card_numbers_are_found_in_every_shape() {
    let shapes = [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "4242/4242/4242/4242",
        "4242_4242_4242_4242",
        "4242+4242+4242+4242",
        "4242  4242  4242  4242",
        "4242 - 4242 - 4242 - 4242",
        "4242\u{2011}4242\u{2011}4242\u{2011}4242",
        "4242\u{a0}4242\u{202f}4242\u{2009}4242",
        "4242\n4242\r\n4242\t4242",
        "4242          4242          4242          4242",
        "4242 \t\t\t\t 4242\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}4242        4242",
        "4242      |      4242      |      4242      |      4242",
        "4242\u{200b}4242\u{2060}4242\u{feff}4242",
        "42\u{ad}42424242424242",
        "4\u{fe0f}\u{20e3}2\u{fe0f}\u{20e3}42424242424242",
        "\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}\u{ff14}\u{ff12}",
        "\u{664}\u{662}\u{664}\u{662}\u{664}\u{662}\u{664}\u{662}\u{664}\u{662}\u{664}\u{662}\u{664}\u{662}\u{664}\u{662}",
        "\u{2074}\u{b2}\u{2074}\u{b2}\u{2074}\u{b2}\u{2074}\u{b2}\u{2074}\u{b2}\u{2074}\u{b2}\u{2074}\u{b2}\u{2074}\u{b2}",
        "\u{2075}\u{b9}\u{2070}\u{2075}\u{b9}\u{2070}\u{2075}\u{b9}\u{2070}\u{2075}\u{b9}\u{2070}\u{2075}\u{b9}\u{2070}\u{2070}",
        "\u{2084}\u{2082}\u{2084}\u{2082}\u{2084}\u{2082}\u{2084}\u{2082}\u{2084}\u{2082}\u{2084}\u{2082}\u{2084}\u{2082}\u{2084}\u{2082}",
        "42424242 42424242",
        "42424242 4242 4242",
        "424242424242-4242",
        "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
        "4,2,4,2,4,2,4,2,4,2,4,2,4,2,4,2",
        "row 1 4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2 12/27",
        "42 42 42 42 42 42 42 42",
        "42-42-42-42-42-42-42-42 exp 12/27",
        "424 242 424 242 424 2",
        "42424 24242 42424 2",
        "424242-424242-4242",
        "424242 4242424242 424 is none, 4242 4242 4242 4242 is",
        r#"["4242","4242","4242","4242"]"#,
        "3782 822463 10005",
        "378 282 246 310 005",
        "3056 930902 5904",
        "4222222222222",
        "4222 222 222 222",
        "4222 2222 2222 2",
        "6304 0000 0000 0000",
        "6212345678901232",
        "+4242424242424242",
        "4.242424242424242E+15",
        "cards: 1, 4.242424242424242e15.",
        "VISA4242424242424242",
        "4242424242424242VISA",
        "card4242424242424242end",
        "4242424242424242-3rd",
        "4242424242424242_",
        "(3056930009020004)",
        "12 4242424242424242",
        "4242 4242 4242 4242 12mo",
        "pay with 5555 5555 5555 4444, please",
        "number=5555555555554444&cvc=123",
        "42424242-4242-4242-4242-424242424242: 4242-4242-4242-4242",
    ];
    for shape in shapes {
        assert!(is_in(shape), "{shape:?}");
        assert!(is_within(&json!({ "note": [shape] })) && is_within(&json!({ shape: 1 })), "{shape:?}");
    }
}

#[test]
fn card_numbers_are_found_as_json_numbers_and_at_any_depth() {
    let found = [
        "4242424242424242",
        "-4242424242424242",
        "4242424242424242.0",
        "4.242424242424242e15",
        "42424242424242420E-1",
        "6212345678901234569",
        r#"{ "note": { "deep": ["378282246310005"] } }"#,
        r#"{ "a": [[[{ "b": [1, { "6011111111111117": null }] }]]] }"#,
    ];
    for text in found {
        assert!(is_within(&serde_json::from_str(text).unwrap()), "{text}");
    }
    for text in ["0.30000000000000004", "0.4242424242424242", "1e15", "-50000", "999999999999"] {
        assert!(!is_within(&serde_json::from_str(text).unwrap()), "{text}");
    }
}

#[test]
fn ordinary_ids_numbers_and_dates_are_no_card_data() {
    let ordinary = [
        "4242424242424241",
        "4222222222221",
        "INV-2025-001",
        "5012-2025-000002",
        "PO 4012-202501-00002",
        "2026-01-15T14:30:00.000Z",
        "2026-01-15 14:30:00 - 2026-01-15 15:30:00",
        "20260115143000",
        "1768487400000",
        "1768487400000000000",
        "+1 (555) 010-9999",
        "+44 20 7946 0958 12",
        "+4915123456789",
        "+49 1512 3456 789",
        "+4915112345674, +491511234567",
        "447911123456",
        "06 12 34 56 78 / 06 98 76 54 32",
        // All but the first pair would be a card's.
        "06 58 76 03 29 06 81 22 70 74",
        // Lists with the right check digit.
        "orders 400100 400101 400102",
        "orders 400100, 400101, 400102",
        "orders 50125, 50126, 50127",
        "1,234,567.89",
        "USD 999,999,999,999.00",
        "192.168.100.200:8080",
        "550e8400-e29b-41d4-a716-446655440000",
        "b18c8632-2266-4668-8665-0967dbc38a39",
        // A UUID with the digits of a card in its first three groups.
        "42424242-4242-4242-8242-0967dbc38a39",
        "order_42424242-4242-4242-8242-0967dbc38a39",
        // Padded columns.
        "qty          unit          price\n4012          2025          1200.00\n2200          2026          1300.00",
        "400100          400101          400102",
        "06 12 34 56 78          06 98 76 54 32",
        "42 m\u{b2}, 424 m\u{b3}, 10\u{207b}\u{2076}",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "pi_4242424242424242",
        "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "seti_1Mm8s8LkdIwHu7ix0OXBfTRG",
        "acct_1032D82eZvKYlo2C",
        "pm_4242424242424242",
        "order_4242424242424242_2",
        "3a4242424242424242",
        "4242424242424242a7f3",
        "5O190127TN364715T",
        "8MC585209K746392H",
        "lPNjeW1nR6CDn5okmGQ6hEpMo4lLNoSrzqDje",
        "507f1f77bcf86cd799439011",
        "{}",
    ];
    for value in ordinary {
        assert!(!is_in(value), "{value}");
    }
}

/// One of each country, as the registry prints them.
const IBANS: &str = "AD12 0001 2030 2003 5910 0100|AE07 0331 2345 6789 0123 456|AL47 2121 1009 0000 0002 3569 8741|\
    AT61 1904 3002 3457 3201|AZ21 NABZ 0000 0000 1370 1000 1944|BA39 1290 0794 0102 8494|BE68 5390 0754 7034|\
    BG80 BNBG 9661 1020 3456 78|BH67 BMAG 0000 1299 1234 56|BI42 1000 0100 0100 0033 2045 181|\
    BR18 0036 0305 0000 1000 9795 493C 1|BY13 NBRB 3600 9000 0000 2Z00 AB00|CH93 0076 2011 6238 5295 7|\
    CR05 0152 0200 1026 2840 66|CY17 0020 0128 0000 0012 0052 7600|CZ65 0800 0000 1920 0014 5399|\
    DE89 3704 0044 0532 0130 00|DJ21 0001 0000 0001 5400 0100 186|DK50 0040 0440 1162 43|\
    DO28 BAGR 0000 0001 2124 5361 1324|EE38 2200 2210 2014 5685|EG38 0019 0005 0000 0000 2631 8000 2|\
    ES91 2100 0418 4502 0005 1332|FI21 1234 5600 0007 85|FK88 SC12 3456 7890 12|FO62 6460 0001 6316 34|\
    FR14 2004 1010 0505 0001 3M02 606|GB29 NWBK 6016 1331 9268 19|GE29 NB00 0000 0101 9049 17|\
    GI75 NWBK 0000 0000 7099 453|GL89 6471 0001 0002 06|GR16 0110 1250 0000 0001 2300 695|\
    GT82 TRAJ 0102 0000 0012 1002 9690|HN88 CABF 0000 0000 0002 5000 5469|HR12 1001 0051 8630 0016 0|\
    HU42 1177 3016 1111 1018 0000 0000|IE29 AIBK 9311 5212 3456 78|IL62 0108 0000 0009 9999 999|\
    IQ98 NBIQ 8501 2345 6789 012|IS14 0159 2600 7654 5510 7303 39|IT60 X054 2811 1010 0000 0123 456|\
    JO94 CBJO 0010 0000 0000 0131 0003 02|KW81 CBKU 0000 0000 0000 1234 5601 01|KZ86 125K ZT50 0410 0100|\
    LB62 0999 0000 0001 0019 0122 9114|LC55 HEMM 0001 0001 0012 0012 0002 3015|LI21 0881 0000 2324 013A A|\
    LT12 1000 0111 0100 1000|LU28 0019 4006 4475 0000|LV80 BANK 0000 4351 9500 1|LY83 0020 4800 0020 1001 2036 1|\
    MC58 1122 2000 0101 2345 6789 030|MD24 AG00 0225 1000 1310 4168|ME25 5050 0001 2345 6789 51|\
    MK07 2501 2000 0058 984|MN12 1234 1234 5678 9123|MR13 0002 0001 0100 0012 3456 753|\
    MT84 MALT 0110 0001 2345 MTLC AST0 01S|MU17 BOMM 0101 1010 3030 0200 000M UR|NI45 BAPR 0000 0013 0000 0355 8124|\
    NL91 ABNA 0417 1643 00|NO93 8601 1117 947|OM81 0180 0000 0129 9123 456|PK36 SCBL 0000 0011 2345 6702|\
    PL61 1090 1014 0000 0712 1981 2874|PS92 PALS 0000 0000 0400 1234 5670 2|PT50 0002 0123 1234 5678 9015 4|\
    QA58 DOHB 0000 1234 5678 90AB CDEF G|RO49 AAAA 1B31 0075 9384 0000|RS35 2600 0560 1001 6113 79|\
    RU03 0445 2522 5408 1781 0538 0913 1041 9|SA03 8000 0000 6080 1016 7519|SC18 SSCB 1101 0000 0000 0000 1497 USD|\
    SD21 2901 0501 2340 01|SE45 5000 0000 0583 9825 7466|SI56 2633 0001 2039 086|SK31 1200 0000 1987 4263 7541|\
    SM86 U032 2509 8000 0000 0270 100|SO21 1000 0010 0100 0100 141|ST23 0001 0001 0051 8453 1014 6|\
    SV62 CENR 0000 0000 0000 0070 0025|TL38 0080 0123 4567 8910 157|TN59 1000 6035 1835 9847 8831|\
    TR33 0006 1005 1978 6457 8413 26|UA21 3223 1300 0002 6007 2335 6600 1|VA59 0011 2300 0012 3456 78|\
    VG96 VPVG 0000 0123 4567 8901|XK05 1212 0123 4567 8906|YE15 CBYE 0001 0188 6123 4567 8912 34";

#[test]
fn ibans_of_every_country_are_found_however_they_are_written() {
    for iban in IBANS.split('|') {
        let word = iban.replace(' ', "");
        let shapes = [
            iban.to_owned(),
            iban.to_lowercase(),
            iban.replace(' ', "-"),
            iban.replace(' ', "\u{a0}"),
            word.to_lowercase(),
            format!("{} {}", &word[..4], &word[4..]),
            format!("IBAN: {word}, due on Monday"),
            format!("IBAN{iban}").replacen("IBAN", "(", 1),
            word.chars().flat_map(|c| [c, '\u{200b}']).collect(),
            word,
        ];
        for shape in shapes {
            assert!(is_in(&shape), "{shape:?}");
        }
    }
}

#[test]
fn what_only_begins_like_an_iban_is_none() {
    let none = [
        "DE88370400440532013000",
        "DE8937040044053201300",
        "DE893704004405320130001",
        "DE89370400440532013000X",
        "XDE89370400440532013000",
        "DE89370400440532013000_1",
        "id_DE89370400440532013000",
        "ZZ89370400440532013000",
        "DE893704 and 0044 0532 0130 00",
        "no 93 8601 1117 947",
        "PO-SE12-4711",
        // Right by its check digits, and no country's: letters for the greater part.
        "SE42MALTKXWQJZPVB4711304",
        "",
        "DE",
        "DE89",
    ];
    for text in none {
        assert!(!is_in(text), "{text}");
    }
}

#[test]
fn fields_for_account_numbers_are_refused_whatever_they_hold() {
    for name in [
        "card_number",
        "cardNumber",
        "CARD-NUMBER",
        "card.number",
        "card number",
        "card[number]",
        "ccnumber",
        "credit_card_number",
        "pan",
        "PAN",
        "cvc",
        "cvv2",
        "card_cvc",
        "security_code",
        "account_number",
        "bankAccountNumber",
        "acct_no",
        "iban",
        "customer_iban",
        "routing_number",
        "sort-code",
        "track2",
        "\u{ff43}\u{ff56}\u{ff43}",
        "c\u{200b}vc",
    ] {
        for body in [json!({ name: "x" }), json!({ "a": [{ "b": { name: 1 } }] }), json!({ name: {} })] {
            assert!(is_within(&body), "{body}");
        }
        assert!(!is_within(&json!({ name: null })), "{name}: null says that there is none");
    }
    assert!(is_within(&json!({ "card": { "number": "x" } })));
    assert!(is_within(&json!({ "bank_account": [{ "number": "x" }] })));
    assert!(is_within(&json!({ "accounts": [{ "number": "12345678" }] })));
    assert!(is_within(&json!({ "Cards": [[{ "number": "x" }, { "cvc": "x" }]] })));
    for parent in ["address", "addresses", "invoices", "discounts", "s"] {
        assert!(!is_within(&json!({ parent: [{ "number": "x" }] })), "{parent}");
    }
    for name in ["number", "invoice_number", "account", "stripe_account", "company", "japan", "span", "card", "code"] {
        assert!(!is_within(&json!({ name: "x" })), "{name}");
    }
}

/// Numbers that issuers give out: first digits, and how many there are in all.
fn issued() -> impl Strategy<Value = String> {
    let ranges: Vec<(&str, usize)> = vec![
        ("4", 13),
        ("4", 16),
        ("4", 19),
        ("34", 15),
        ("37", 15),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("2720", 16),
        ("300", 14),
        ("305", 16),
        ("36", 14),
        ("36", 19),
        ("38", 16),
        ("3528", 16),
        ("3589", 19),
        ("2131", 15),
        ("50", 13),
        ("5018", 16),
        ("56", 19),
        ("6304", 13),
        ("6759", 18),
        ("62", 16),
        ("62", 17),
        ("62", 19),
        ("6011", 16),
        ("644", 16),
        ("649", 19),
        ("65", 16),
        ("60", 16),
        ("81", 16),
        ("82", 16),
        ("2200", 16),
        ("2204", 19),
        ("8600", 16),
        ("9792", 16),
        ("9860", 16),
    ];
    (select(ranges), proptest::collection::vec(0_u32..10, 19)).prop_map(|((prefix, length), filling)| {
        let filling: String = filling.iter().filter_map(|digit| char::from_digit(*digit, 10)).collect();
        let body = format!("{prefix}{filling}")[..length - 1].to_owned();
        let with = |check: u32| format!("{body}{check}");
        (0..10).map(with).find(|number| luhn(number)).unwrap()
    })
}

/// The check of ISO/IEC 7812-1, in other words than the code's.
fn luhn(number: &str) -> bool {
    let digits: Vec<u32> = number.chars().rev().filter_map(|c| c.to_digit(10)).collect();
    let twice = |digit: &u32| digit * 2 / 10 + digit * 2 % 10;
    let (plain, doubled) = (digits.iter().step_by(2), digits.iter().skip(1).step_by(2).map(twice));
    (plain.sum::<u32>() + doubled.sum::<u32>()) % 10 == 0
}

fn grouped(number: &str, sizes: &[usize], separator: &str) -> String {
    let (mut rest, mut groups) = (number, Vec::new());
    for size in sizes.iter().cycle() {
        let (group, behind) = rest.split_at((*size).min(rest.len()));
        groups.push(group);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    groups.join(separator)
}

#[test]
fn a_body_full_of_digits_is_read_in_one_go() {
    // What looks back or ahead without end takes a minute for each.
    for text in ["1 ".repeat(16_000), "42 ".repeat(16_000), "1234-".repeat(12_000), "de89 3".repeat(10_000)] {
        assert!(!is_in(&text));
    }
}

proptest! {
    #[test]
    fn every_issuers_numbers_are_found_in_every_layout(
        number in issued(),
        separator in select(vec![" ", "-", ".", "/", " - ", "\u{a0}", "\n", "\u{2013}", "\u{200b}", ""]),
        size in select(vec![1_usize, 2, 3, 4, 5, 19]),
        (before, after) in select(vec![("", ""), ("card ", ""), ("note: ", " (12/27)"), ("\"", "\","), ("no. 7: ", ".")]),
    ) {
        let text = format!("{before}{}{after}", grouped(&number, &[size], separator));
        prop_assert!(is_in(&text), "{text:?}");
        prop_assert!(is_within(&json!(number.parse::<u64>().unwrap())), "{number}");
        if number.len() <= 16 {
            for float in [format!("{number}.0"), format!("{}.{}e{}", &number[..1], &number[1..], number.len() - 1)] {
                prop_assert!(is_within(&serde_json::from_str(&float).unwrap()), "{float}");
                prop_assert!(is_in(&float), "{float}");
            }
        }
        let six = format!("{before}{}{after}", grouped(&number, &[6], separator));
        // Three full groups of six are three order numbers.
        prop_assert!(number.len() == 18 || is_in(&six), "{six:?}");
        let printed: &[usize] = match number.len() {
            13 => &[4, 3, 3, 3],
            14 => &[4, 6, 4],
            15 => &[4, 6, 5],
            16 => &[8, 8],
            19 => &[6, 13],
            _ => &[4],
        };
        let text = format!("{before}{}{after}", grouped(&number, printed, separator));
        prop_assert!(is_in(&text), "{text:?}");
    }

    #[test]
    fn our_ids_and_uuids_are_never_refused(key in "\\PC{1,20}", bytes in any::<[u8; 16]>(), millis in 0_i64..4_102_444_800_000) {
        let tenant: TenantId = "acme".parse().unwrap();
        let invoice = InvoiceId::keyed(&tenant, &key);
        let ids = [
            PaymentId::keyed(&tenant, &key).to_string(),
            ScheduleId::keyed(&tenant, &key).to_string(),
            RefundId::keyed(&tenant, &key).to_string(),
            MethodId::of(&tenant, "stripe", &key).to_string(),
            AlertId::of(&tenant, "outcome_unknown", &key).to_string(),
            invoice.to_string(),
            InvoiceId::new(Time::from_millis(millis)).to_string(),
            uuid::Builder::from_random_bytes(bytes).into_uuid().to_string(),
            uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().to_uppercase(),
        ];
        for id in &ids {
            prop_assert!(!is_in(id), "{id}");
        }
        let list = ids.join(", ");
        prop_assert!(!is_in(&list), "{list}");
    }

    #[test]
    fn the_gateways_ids_are_never_refused(
        stripe in "(pi|seti|pm|re|tr|ch|evt)_[13][A-Za-z0-9]{23}", digits in "(pi|seti|acct|cus)_[0-9]{13,19}",
        account in "acct_1[A-Za-z0-9]{15}", paypal in "[0-9A-Z]{17}", plaid in "[A-Za-z0-9]{37}",
        ulid in "[0-7][0-9A-HJKMNP-TV-Z]{25}", public in "public-sandbox-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    ) {
        for id in [stripe, digits, account, paypal, plaid, ulid, public] {
            prop_assert!(!is_in(&id), "{id}");
        }
    }

    #[test]
    fn amounts_times_and_telephone_numbers_are_never_refused(
        amount in 1..=MAX_AMOUNT_MINOR, millis in 0_i64..4_000_000_000_000, phone in "\\+[1-9][0-9]{6,14}",
        groups in "\\+[1-9][0-9]{0,2} [0-9]{3} [0-9]{3} [0-9]{4}",
    ) {
        prop_assert!(!is_within(&json!(amount)), "{amount}");
        let time = Time::from_millis(millis);
        for text in [time.to_string(), time.date_in(&jiff::tz::TimeZone::UTC).to_string(), millis.to_string(), phone, groups] {
            prop_assert!(!is_in(&text), "{text}");
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", digits in "[A-Z0-9 _+.,-]{0,60}") {
        let _ = (is_in(&text), is_in(&digits), is_account_field(&text));
    }
}
