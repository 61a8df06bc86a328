//! What a stack costs a month, in a line and in full.

use std::fmt::Write as _;

use clap::builder::styling::Style;
use serde_json::{Value, json};

use crate::cost::{Bill, Estimate, Item, Line};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// What every estimate leaves out.
const WITHOUT: &str =
    "On-demand list prices for a month of 730 hours, without taxes, discounts, free tiers and data transfer.";
/// What a star at a price means.
const UNCHECKED: &str =
    "* from memory of AWS's public list and not checked; `lakewright cost --refresh` reads AWS's own";

/// An amount of money: whole dollars where cents don't matter.
fn dollars(usd: f64) -> String {
    if usd.abs() < 100.0 {
        return format!("${:.2}", usd.abs());
    }
    let digits = format!("{:.0}", usd.abs());
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("${grouped}")
}

/// A difference with its sign; nothing when there is none.
fn difference(usd: f64) -> Option<String> {
    let sign = if usd < 0.0 { '-' } else { '+' };
    (usd.abs() >= 0.005).then(|| format!("{sign}{}", dollars(usd)))
}

/// What is missing in a sum: how many of the addresses that are billed have no price. Nothing when none lacks one.
fn missing(estimate: &Estimate) -> Option<String> {
    let (unpriced, billed) = (estimate.unpriced().count(), estimate.billed());
    if unpriced == 0 {
        return None;
    }
    let resources = if billed == 1 { "resource" } else { "resources" };
    let lack = if unpriced == 1 { "lacks" } else { "lack" };
    Some(format!("{unpriced} of {billed} billed {resources} {lack} a price in {}", estimate.region))
}

/// What gets the prices that are missing; nothing where no list says more.
fn fix(estimate: &Estimate) -> &'static str {
    if estimate.lacks_prices() { "`lakewright cost --refresh` reads AWS's list" } else { "`lakewright cost` says why" }
}

/// The sum of a month: `about $412 a month in eu-north-1`, and what is missing in it.
fn total(estimate: &Estimate) -> String {
    let sum = dollars(estimate.monthly());
    match missing(estimate) {
        None => format!("about {sum} a month in {}", estimate.region),
        Some(missing) => format!("at least {sum} a month; {missing}"),
    }
}

/// The line of a plan: `Cost: about $412 a month (+$35).`
pub fn cost_line(estimate: &Estimate) -> String {
    let change = difference(estimate.change());
    let monthly = dollars(estimate.monthly());
    let Some(missing) = missing(estimate) else {
        let line = match (estimate.whole, change) {
            (true, Some(change)) => format!("about {monthly} a month ({change})"),
            (true, None) => format!("about {monthly} a month, as before"),
            (false, Some(change)) => format!("about {change} a month for this part"),
            (false, None) => "this part changes none of it".to_owned(),
        };
        return format!("Cost: {line}; `lakewright cost` shows more.");
    };
    let line = match (estimate.whole, change) {
        (true, Some(change)) => format!("at least {monthly} a month ({change} by what has a price)"),
        (true, None) => format!("at least {monthly} a month, what has a price as before"),
        (false, Some(change)) => format!("{change} a month for what has a price in this part"),
        (false, None) => "this part changes nothing that has a price".to_owned(),
    };
    format!("Cost: {line}; {missing}; {}.", fix(estimate))
}

/// The estimate of a plan for programs.
pub fn cost_json(estimate: &Estimate) -> Value {
    json!({
        "currency": "USD",
        "region": estimate.region,
        "monthly": estimate.whole.then(|| cents(estimate.monthly())),
        "change": cents(estimate.change()),
        "complete": estimate.unpriced().next().is_none(),
        "billed": estimate.billed(),
        "unpriced": estimate.unpriced().collect::<Vec<_>>(),
        "unchecked": estimate.is_unchecked(),
    })
}

fn cents(usd: f64) -> f64 {
    let cents = (usd * 100.0).round() / 100.0;
    // Not minus nothing.
    if cents == 0.0 { 0.0 } else { cents }
}

/// What each address costs, for programs.
pub fn cost_report_json(estimate: &Estimate) -> Value {
    let mut report = cost_json(estimate);
    if let Some(members) = report.as_object_mut() {
        members.remove("change");
        let billed = estimate.items.iter().filter_map(|item| Some((item, item.after.as_ref()?)));
        let resources: Vec<Value> = billed.map(|(item, bill)| resource(item, bill)).collect();
        members.insert("resources".to_owned(), Value::Array(resources));
    }
    report
}

fn resource(item: &Item, bill: &Bill) -> Value {
    let charge = |line: &Line| {
        json!({
            "price": line.name,
            "quantity": line.quantity,
            "usd": line.price.as_ref().map(|price| price.usd),
            "amount": line.amount().map(cents),
            "source": line.price.as_ref().map(|price| &price.source),
            "read": line.price.as_ref().map(|price| &price.read),
            "checked": line.price.as_ref().map(|price| price.checked),
        })
    };
    json!({
        "address": item.address,
        "monthly": cents(bill.monthly()),
        "charges": bill.lines.iter().map(charge).collect::<Vec<_>>(),
        "by_use": Some(bill.by_use).filter(|words| !words.is_empty()),
        "unknown": bill.unknown,
    })
}

/// A row of a report: address, what it is, the amount.
struct Row {
    address: String,
    what: String,
    amount: String,
}

/// What is billed for being there, the dearest address first, and what can't be priced.
fn rows(estimate: &Estimate) -> (Vec<Row>, Vec<String>) {
    let mut billed: Vec<(&Item, &Bill)> =
        estimate.items.iter().filter_map(|item| Some((item, item.after.as_ref()?))).collect();
    billed.sort_by(|a, b| b.1.monthly().total_cmp(&a.1.monthly()).then(a.0.address.cmp(&b.0.address)));
    let (mut rows, mut unpriced) = (Vec::new(), Vec::new());
    for (item, bill) in billed {
        let mut address = item.address.to_string();
        for line in bill.lines.iter().filter(|line| line.quantity > 0.0) {
            let Some(price) = &line.price else {
                unpriced.push(format!("{}: no price `{}` for {}", item.address, line.name, estimate.region));
                continue;
            };
            let mark = if price.checked { "" } else { "*" };
            rows.push(Row {
                address: std::mem::take(&mut address),
                what: format!("{} × {} at {}{mark}", number(line.quantity), line.name, unit_price(price.usd)),
                amount: format!("{:.2}", price.usd * line.quantity),
            });
        }
        if let Some(why) = bill.unknown {
            unpriced.push(format!("{}: {why}", item.address));
        }
    }
    (rows, unpriced)
}

fn number(quantity: f64) -> String {
    let text = format!("{quantity:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn unit_price(usd: f64) -> String {
    let text = format!("{usd:.6}");
    format!("${}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// What is billed by use: the words, and the addresses that they hold for.
fn by_use(estimate: &Estimate) -> Vec<(String, &'static str)> {
    let mut all: Vec<(String, &'static str)> = Vec::new();
    for item in &estimate.items {
        let Some(bill) = item.after.as_ref().filter(|bill| !bill.by_use.is_empty()) else { continue };
        match all.iter_mut().find(|(kind, words)| *words == bill.by_use && *kind == item.address.kind) {
            Some(_) => {}
            None => all.push((item.address.kind.clone(), bill.by_use)),
        }
    }
    all
}

/// The report for people.
pub fn cost_text(estimate: &Estimate) -> String {
    let (rows, unpriced) = rows(estimate);
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (addresses, whats, amounts) =
        (width(|row| &row.address).max(5), width(|row| &row.what), width(|row| &row.amount).max(6));
    let mut out = String::new();
    for row in &rows {
        let _ = writeln!(
            out,
            "{BOLD}{:addresses$}{BOLD:#}  {DIM}{:whats$}{DIM:#}  {:>amounts$}",
            row.address, row.what, row.amount
        );
    }
    let _ = writeln!(out, "\n{BOLD}{}{BOLD:#}", total(estimate));
    if estimate.lacks_prices() {
        let _ = writeln!(out, "{} and keeps its prices for later runs.", fix(estimate));
    }
    list(&mut out, "Without a price:", unpriced.iter().cloned());
    list(&mut out, "By use, on top:", by_use(estimate).into_iter().map(|(kind, words)| format!("{kind}: {words}")));
    let _ = writeln!(out, "\n{DIM}{WITHOUT}{DIM:#}");
    if estimate.is_unchecked() {
        let _ = writeln!(out, "{DIM}{UNCHECKED}{DIM:#}");
    }
    out
}

fn list(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    for (index, line) in lines.enumerate() {
        if index == 0 {
            let _ = writeln!(out, "\n{title}");
        }
        let _ = writeln!(out, "  {line}");
    }
}

/// The report as Markdown.
pub fn cost_markdown(estimate: &Estimate) -> String {
    let (rows, unpriced) = rows(estimate);
    let mut total = total(estimate);
    total[..1].make_ascii_uppercase();
    let mut out = format!("### {total}\n\n");
    if estimate.lacks_prices() {
        let _ = writeln!(out, "{}.\n", fix(estimate));
    }
    out.push_str("| resource | what | USD a month |\n|---|---|---:|\n");
    for row in &rows {
        let address = if row.address.is_empty() { String::new() } else { format!("`{}`", row.address) };
        let _ = writeln!(out, "| {address} | {} | {} |", row.what.replace('*', "\\*"), row.amount);
    }
    if !unpriced.is_empty() {
        out.push_str("\nWithout a price:\n\n");
    }
    for one in &unpriced {
        let _ = writeln!(out, "- {one}");
    }
    out.push_str("\nBy use, on top:\n\n");
    for (kind, words) in by_use(estimate) {
        let _ = writeln!(out, "- `{kind}`: {words}");
    }
    let _ = writeln!(out, "\n{WITHOUT}");
    if estimate.is_unchecked() {
        let _ = writeln!(out, "\\{UNCHECKED}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Price;
    use crate::resource::Address;

    #[test]
    fn a_sum_with_gaps_says_so() {
        let price = |usd: Option<f64>| {
            let price = usd.map(|usd| Price { usd, source: String::new(), read: String::new(), checked: true });
            let line = Line { name: "x.hour".into(), quantity: 730.0, price };
            Some(Bill { lines: vec![line], ..Bill::default() })
        };
        let item = |name: &str, before, after| Item { address: Address::new("nat_gateway", name), before, after };
        let of = |items: Vec<Item>, whole| Estimate { region: "eu-south-2".into(), items, whole };

        let full = of(vec![item("a", None, price(Some(0.1))), item("free", None, Some(Bill::default()))], true);
        assert_eq!(cost_line(&full), "Cost: about $73.00 a month (+$73.00); `lakewright cost` shows more.");
        assert_eq!(total(&full), "about $73.00 a month in eu-south-2");
        assert_eq!(cost_json(&full)["complete"], true);

        let gaps = |whole| of(vec![item("a", None, price(Some(0.1))), item("b", None, price(None))], whole);
        assert_eq!(
            cost_line(&gaps(true)),
            "Cost: at least $73.00 a month (+$73.00 by what has a price); 1 of 2 billed resources lacks a price in eu-south-2; \
             `lakewright cost --refresh` reads AWS's list."
        );
        assert_eq!(total(&gaps(true)), "at least $73.00 a month; 1 of 2 billed resources lacks a price in eu-south-2");
        assert!(cost_line(&gaps(false)).starts_with("Cost: +$73.00 a month for what has a price in this part; 1 of 2"));
        let json = cost_json(&gaps(true));
        assert_eq!(
            (&json["complete"], &json["billed"], &json["unpriced"][0]),
            (&json!(false), &json!(2), &json!("nat_gateway.b"))
        );

        let unknown = Some(Bill { unknown: Some("nobody knows"), ..Bill::default() });
        let told = cost_line(&of(vec![item("a", None, unknown)], true));
        assert!(
            told.ends_with("1 of 1 billed resource lacks a price in eu-south-2; `lakewright cost` says why."),
            "{told}"
        );
        // What goes has its price or not: nothing is missing of what stays.
        assert_eq!(missing(&of(vec![item("a", price(None), None)], true)), None);
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!(
            [dollars(0.4), dollars(99.994), dollars(412.3), dollars(1_234_567.0)],
            ["$0.40", "$99.99", "$412", "$1,234,567"]
        );
        assert_eq!(difference(-35.0), Some("-$35.00".to_owned()));
        assert_eq!(difference(0.001), None);
        assert_eq!([number(730.0), number(0.5), unit_price(0.0216), unit_price(1.0)], ["730", "0.5", "$0.0216", "$1"]);
    }
}
