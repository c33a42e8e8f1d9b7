//! Questions of programs, and short answers.

use detection::CustomerId;

use super::made::{FIRST, add, catalog, configuration, deployment, report, usual};
use crate::{Answer, Configuration, Difference, Found, Question, Report, Rows};

fn question(text: &str) -> Question {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_question_with_other_settings_is_compared_with_the_present_ones() {
    let floor = |configuration: &Configuration| configuration.settings()[0].floors().min_change();
    let stored = r#"{"metrics": {"calls": {"min_change": 7}}}"#;
    let policy =
        catalog::StoredPolicy { policy: serde_json::from_str(stored).unwrap(), ..Default::default() };
    let deployment = crate::Deployment { policy, ..deployment() };
    let of = r#"{"metrics": {"calls": {"min_change": 9}}}"#;
    for (text, changed, against) in [
        (r#"{"days": 1}"#.to_owned(), 7.0, None),
        (format!(r#"{{"days": 1, "policy": {of}}}"#), 9.0, Some(7.0)),
        (r#"{"days": 1, "sensitivity": "high"}"#.to_owned(), 7.0, Some(7.0)),
        (format!(r#"{{"days": 1, "against": {of}}}"#), 7.0, Some(9.0)),
        (format!(r#"{{"days": 1, "policy": {{}}, "against": {of}}}"#), 100.0, Some(9.0)),
    ] {
        let question = question(&text);
        let sides = question.sides(&catalog(), &deployment).unwrap();
        assert_eq!((floor(&sides.changed), sides.against.as_ref().map(floor)), (changed, against), "{text}");
        assert_eq!(question.passes(), 1 + u64::from(against.is_some()), "{text}");
    }
}

#[test]
fn another_policy_of_one_customer_is_compared_with_its_present_one() {
    let customer = CustomerId::new("a").unwrap();
    let floor = |configuration: &Configuration| configuration.settings_of(&customer)[0].floors().min_change();
    let stored = r#"{"metrics": {"calls": {"min_change": 7}}}"#;
    let stored =
        catalog::StoredPolicy { policy: serde_json::from_str(stored).unwrap(), ..Default::default() };
    let deployment = crate::Deployment { customers: vec![(customer.clone(), stored)], ..deployment() };
    let of = r#"{"metrics": {"calls": {"min_change": 9}}}"#;
    let asked = format!(r#"{{"days": 1, "customer_ids": ["a"], "customer_policy": {of}}}"#);
    let sides = question(&asked).sides(&catalog(), &deployment).unwrap();
    assert_eq!((floor(&sides.changed), sides.against.as_ref().map(floor)), (9.0, Some(7.0)));
    let of_others = |configuration: &Configuration| configuration.settings()[0].floors().min_change();
    assert_eq!(of_others(&sides.changed), of_others(sides.against.as_ref().unwrap()));
}

#[test]
fn what_cannot_be_answered_is_named() {
    for (text, expected) in [
        (r#"{"days": 1, "policy": {"metrics": {"gone": {}}}}"#, "policy: metrics.gone"),
        (r#"{"days": 1, "against": {"metrics": {"gone": {}}}}"#, "against: metrics.gone"),
        (
            r#"{"days": 1, "customer_ids": ["a"], "customer_policy": {"metrics": {"gone": {}}}}"#,
            "customer_policy: metrics.gone",
        ),
        (
            r#"{"days": 1, "customer_ids": ["a", "b"], "customer_policy": {}}"#,
            "customer_policy: name exactly one customer in customer_ids, not 2",
        ),
        (r#"{"days": 1, "time_zone": "Mars/Base"}"#, "time_zone: `Mars/Base` is no time zone"),
        (r#"{"days": 1, "budget": "few pages"}"#, "budget: \"few pages\" is no budget"),
    ] {
        let refusal = question(text).sides(&catalog(), &deployment()).unwrap_err().to_string();
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    assert!(serde_json::from_str::<Question>(r#"{"days": 1, "day": 2}"#).is_err());
}

#[test]
fn the_work_of_a_question_is_limited() {
    for (text, customers) in [
        (r#"{"days": 10}"#, 2_000),
        (r#"{"days": 10, "sensitivity": 2}"#, 1_000),
        (r#"{"days": 4, "sensitivity": 2, "budget": "1 page a customer-day"}"#, 625),
    ] {
        let question = question(text);
        assert_eq!(question.too_much(customers), None, "{text}");
        let refusal = question.too_much(customers + 1).unwrap();
        assert!(refusal.starts_with(&format!("{} customers times", customers + 1)), "{refusal}");
    }
    let refusal = question(r#"{"days": 90, "policy": {}}"#).too_much(u64::MAX).unwrap();
    assert!(refusal.contains("times 90 days, judged 2 times, are"), "{refusal}");
}

fn fleet() -> (Report, Report) {
    let mut rows = Rows::default();
    for (seed, customer) in ["a", "b", "c"].into_iter().enumerate() {
        add(&mut rows, customer, "calls", seed as u64, |place| {
            let is_leak = (FIRST + 60..FIRST + 66).contains(&place) || place == FIRST + 130;
            usual(place) * if is_leak { 6.0 } else { 1.0 }
        });
    }
    let deaf = configuration(r#"{"metrics": {"calls": {"min_change": 1e9}}}"#);
    (report(&rows, &configuration("{}")), report(&rows, &deaf))
}

#[test]
fn an_answer_lists_the_newest_and_counts_all() {
    let (all, none) = fleet();
    let difference = Difference::between(&none, &all);
    let found = Found { report: &all, difference: Some(&difference), budget: None };
    let answer = Answer::listing(found, &catalog(), 2);
    assert!(all.pages.len() >= 6 && none.pages.is_empty(), "{:?}", all.pages);
    assert_eq!(
        (answer.pages, answer.by_customer.total, answer.by_customer.listed.len()),
        (all.pages.len(), 3, 2)
    );
    let hours: usize = all.judged.iter().map(|series| series.flagged.len()).sum();
    assert_eq!((answer.flagged.total, answer.flagged.listed.len()), (hours, 2));
    let newest = all.judged.iter().flat_map(|series| &series.flagged).map(|hour| hour.at).max();
    assert_eq!(Some(answer.flagged.listed[0].hour.at), newest);
    let new = answer.difference.unwrap().new;
    assert_eq!((new.total, new.listed.len()), (all.pages.len(), 2));
    assert_eq!(new.listed[0], *all.pages.last().unwrap());
}

#[test]
fn an_answer_fits_into_its_bytes() {
    let (all, _) = fleet();
    let found = Found { report: &all, difference: None, budget: None };
    let whole = Answer::text(found, &catalog(), usize::MAX).unwrap();
    let short = Answer::text(found, &catalog(), whole.len() - 1).unwrap();
    assert!(short.len() < whole.len());
    let [whole, short]: [serde_json::Value; 2] =
        [whole, short].map(|text| serde_json::from_str(&text).unwrap());
    assert_eq!(whole["flagged"]["total"], short["flagged"]["total"]);
    let listed = |answer: &serde_json::Value| answer["flagged"]["listed"].as_array().unwrap().len();
    assert!(listed(&short) < listed(&whole));
}
