//! What an item is, read from its key.

use super::{
    ANOMALY_PREFIX, BUTTON_PREFIX, CHANNEL_PREFIX, CONFIG_HISTORY_PREFIX, DELIVERY_PREFIX, DIGEST, FEEDBACK,
    INCIDENT_PREFIX, Key, NOTICE_PREFIX, PAGE_PREFIX, POLICIES, RUN_PREFIX, THREAD_PREFIX, WAITING_PREFIX,
};
use crate::keys;

/// What an item that may be of a customer is, in the order of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    Anomaly,
    Incident,
    Notice,
    Policy,
    PolicyVersion,
    Feedback,
    Delivery,
    WaitingAlert,
    Thread,
    Page,
    Button,
    Digest,
    Run,
    /// An item in the partition of a customer that this version does not know.
    Other,
}

/// The beginnings of the partitions whose items may be of a customer although the partition is not the customer's own.
pub(crate) const SHARED: [&str; 5] = [DELIVERY_PREFIX, CHANNEL_PREFIX, BUTTON_PREFIX, RUN_PREFIX, DIGEST];

impl ItemKind {
    /// All kinds, in the order of reports.
    pub const ALL: [Self; 14] = [
        Self::Anomaly,
        Self::Incident,
        Self::Notice,
        Self::Policy,
        Self::PolicyVersion,
        Self::Feedback,
        Self::Delivery,
        Self::WaitingAlert,
        Self::Thread,
        Self::Page,
        Self::Button,
        Self::Digest,
        Self::Run,
        Self::Other,
    ];

    /// The items of this kind, in words.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Anomaly => "anomalies",
            Self::Incident => "incidents",
            Self::Notice => "notices",
            Self::Policy => "policy",
            Self::PolicyVersion => "versions of the policy",
            Self::Feedback => "feedback",
            Self::Delivery => "deliveries",
            Self::WaitingAlert => "waiting alerts",
            Self::Thread => "threads",
            Self::Page => "pages",
            Self::Button => "buttons",
            Self::Digest => "digests of storms",
            Self::Run => "runs and backtests on demand",
            Self::Other => "other items",
        }
    }

    /// `None` for items that are of no customer.
    pub(crate) fn of(Key { pk, sk }: &Key) -> Option<Self> {
        let of_sort_key = |prefixes: &[(&str, Self)]| {
            prefixes.iter().find(|(prefix, _)| sk.starts_with(prefix)).map(|(_, kind)| *kind)
        };
        if keys::customer_of(pk).is_some() {
            let own = [
                (ANOMALY_PREFIX, Self::Anomaly),
                (INCIDENT_PREFIX, Self::Incident),
                (NOTICE_PREFIX, Self::Notice),
            ];
            return Some(of_sort_key(&own).unwrap_or(Self::Other));
        }
        if pk.starts_with(CHANNEL_PREFIX) {
            return of_sort_key(&[
                (WAITING_PREFIX, Self::WaitingAlert),
                (THREAD_PREFIX, Self::Thread),
                (PAGE_PREFIX, Self::Page),
            ]);
        }
        let partitions = [
            (CONFIG_HISTORY_PREFIX, Self::PolicyVersion),
            (DELIVERY_PREFIX, Self::Delivery),
            (BUTTON_PREFIX, Self::Button),
            (RUN_PREFIX, Self::Run),
        ];
        match pk.as_str() {
            POLICIES => Some(Self::Policy),
            FEEDBACK => Some(Self::Feedback),
            DIGEST => Some(Self::Digest),
            _ => partitions.iter().find(|(prefix, _)| pk.starts_with(prefix)).map(|(_, kind)| *kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_known_by_its_key() {
        for (pk, sk, expected) in [
            ("CUSTOMER#a", "ANOMALY#1#api_calls", Some(ItemKind::Anomaly)),
            ("CUSTOMER#a", "INCIDENT#api_calls#drop", Some(ItemKind::Incident)),
            ("CUSTOMER#a", "NOTICE#1#api_calls#drop#resolved", Some(ItemKind::Notice)),
            ("CUSTOMER#a", "LATER#1", Some(ItemKind::Other)),
            ("CONFIG", "CUSTOMER#00", Some(ItemKind::Policy)),
            ("CONFIG_HISTORY#CUSTOMER#00", "VERSION#1", Some(ItemKind::PolicyVersion)),
            ("FEEDBACK", "CUSTOMER#00#1", Some(ItemKind::Feedback)),
            ("DELIVERY#1", "CHANNEL#slack", Some(ItemKind::Delivery)),
            ("CHANNEL#slack", "WAITING#1", Some(ItemKind::WaitingAlert)),
            ("CHANNEL#slack", "THREAD#1", Some(ItemKind::Thread)),
            ("CHANNEL#slack", "PAGE#1#a", Some(ItemKind::Page)),
            ("CHANNEL#slack", "LEAD", None),
            ("CHANNEL#slack", "DISABLED", None),
            ("BUTTON#telegram", "0f", Some(ItemKind::Button)),
            ("DIGEST", "DIGEST#1#2", Some(ItemKind::Digest)),
            ("RUN#1", "RUN", Some(ItemKind::Run)),
            ("RUN#1", "BACKTEST", Some(ItemKind::Run)),
            ("RUNS#usage", "ENDED#1#2", None),
            ("STATUS", "LAST_RUN", None),
            ("WORK#customer a", "MINUTE#1", None),
        ] {
            let key = Key { pk: pk.to_owned(), sk: sk.to_owned() };
            assert_eq!(ItemKind::of(&key), expected, "{pk} {sk}");
        }
    }
}
