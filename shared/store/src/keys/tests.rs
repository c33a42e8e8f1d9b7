use detection::Direction;

use super::*;

fn shown(Key { pk, sk }: Key) -> String {
    format!("{pk} {sk}")
}

/// Items outlive deployments. A changed key would lose the stored items.
#[test]
fn keys_stay_as_they_are() {
    let subject = Subject {
        customer_id: CustomerId::new("a#b").unwrap(),
        entity: None,
        metric: MetricName::new("api_calls").unwrap(),
        direction: Direction::Drop,
    };
    let opened_at = Timestamp::from_millisecond(1_795_266_000_000).unwrap();
    let id = &subject.customer_id;
    let hash = sha256("a#b");
    let place = AnomalyPlace {
        customer_id: id.clone(),
        entity: None,
        metric: subject.metric.clone(),
        detected_at: opened_at,
    };
    let entity = Some(EntityPath::new(vec!["nightly".to_owned(), "load".to_owned()]).unwrap());
    let of_entity = Subject { entity: entity.clone(), ..subject.clone() };
    let at_entity = AnomalyPlace { entity, ..place.clone() };
    for (key, expected) in [
        (feedback(id, "i-1"), format!("FEEDBACK CUSTOMER#{hash}#i-1").as_str()),
        (anomaly(&place), "CUSTOMER#a#b ANOMALY#1795266000000#api_calls"),
        (anomaly(&at_entity), "CUSTOMER#a#b ANOMALY#1795266000000#api_calls#048a0d682c46431a"),
        (incident(&of_entity, true, opened_at), "CUSTOMER#a#b INCIDENT#api_calls#drop@048a0d682c46431a"),
        (
            incident(&of_entity, false, opened_at),
            "CUSTOMER#a#b INCIDENT#api_calls#drop@048a0d682c46431a#1795266000000",
        ),
        (
            notice(&of_entity, Event::Resolved, 5),
            "CUSTOMER#a#b NOTICE#5#api_calls#drop#resolved#048a0d682c46431a",
        ),
        (incident(&subject, true, opened_at), "CUSTOMER#a#b INCIDENT#api_calls#drop"),
        (incident(&subject, false, opened_at), "CUSTOMER#a#b INCIDENT#api_calls#drop#1795266000000"),
        (notice(&subject, Event::Resolved, 5), "CUSTOMER#a#b NOTICE#5#api_calls#drop#resolved"),
        (digest(5, "7-3"), "DIGEST DIGEST#5#7-3"),
        (policy(None), "CONFIG GLOBAL"),
        (policy(Some(id)), &format!("CONFIG CUSTOMER#{hash}")),
        (
            policy_version(Some(id), 3),
            &format!("CONFIG_HISTORY#CUSTOMER#{hash} VERSION#00000000000000000003"),
        ),
        (run("x"), "RUN#x RUN"),
        (last_run(), "STATUS LAST_RUN"),
        (last_completed(Shard::WHOLE), "STATUS LAST_COMPLETED"),
        (last_completed(Shard::new(3, 8).unwrap()), "STATUS LAST_COMPLETED#3-of-8"),
        (judged(None, Shard::WHOLE), "STATUS JUDGED"),
        (judged(None, Shard::new(3, 8).unwrap()), "STATUS JUDGED#3-of-8"),
        (judged(Some("executions"), Shard::WHOLE), "STATUS JUDGED#executions"),
        (delivery("1.m.YQ", "slack"), "DELIVERY#1.m.YQ CHANNEL#slack"),
        (waiting("slack", "1.m.YQ"), "CHANNEL#slack WAITING#1.m.YQ"),
        (lead("slack"), "CHANNEL#slack LEAD"),
        (page("slack", "1#a"), "CHANNEL#slack PAGE#1#a"),
        (disabled_channel("slack"), "CHANNEL#slack DISABLED"),
        (work("customer a", opened_at), "WORK#customer a MINUTE#29921100"),
        (thread("slack", "1.m.spike.YQ"), "CHANNEL#slack THREAD#1.m.spike.YQ"),
    ] {
        assert_eq!(shown(key), expected);
    }
}

#[test]
fn a_key_is_read_back() {
    let (customer_id, metric) = (CustomerId::new("a#b").unwrap(), MetricName::new("api_calls").unwrap());
    for entity in [None, Some("0123456789abcdef")] {
        let Key { pk, sk } = anomaly_key(&customer_id, 1_795_266_000_000, &metric, entity);
        assert_eq!(customer_of(&pk), Some(customer_id.clone()));
        let expected = (1_795_266_000_000, metric.clone(), entity.map(str::to_owned));
        assert_eq!(anomaly_of(&sk), Some(expected));
    }
    for foreign in ["ANOMALY#x#api_calls", "ANOMALY#1", "INCIDENT#1#api_calls", "ANOMALY#1#"] {
        assert_eq!(anomaly_of(foreign), None, "{foreign}");
    }
}

#[test]
fn keys_of_indexes_are_of_one_customer_and_fit() {
    let longest = CustomerId::new("x".repeat(CustomerId::MAX_BYTES)).unwrap();
    let entity_of = EntityPath::new(vec!["nightly".to_owned(), "load".to_owned()]).unwrap();
    let long = "e".repeat(5_000);
    // DynamoDB takes 2,048 bytes.
    assert!(entity(&longest, &entity_of).len() <= 2_048 && execution(&longest, &long).len() <= 2_048);
    let [one, other] = ["acme", "globex"].map(|id| CustomerId::new(id).unwrap());
    assert_eq!(entity(&one, &entity_of), "CUSTOMER#acme#048a0d682c46431a");
    assert_ne!(execution(&one, "e-1"), execution(&other, "e-1"));
    assert_ne!(execution(&one, "e-1"), execution(&one, "e-2"));
}

#[test]
fn long_ids_give_short_keys_that_differ() {
    let long = |last: &str| format!("{}{last}", "x".repeat(3_000));
    let of = |id: &str| [delivery(id, "slack").pk, thread("slack", id).sk];
    assert!(of(&long("a")).iter().all(|key| key.len() < 100));
    assert_ne!(of(&long("a")), of(&long("b")));
    assert!(of(&long("a"))[1].starts_with("THREAD#sha256:"));
}
