use std::cell::RefCell;

use catalog::Shard;
use detection::Window;
use store::{Digest, Totals};

use super::*;

/// An outlet that records its calls.
struct Fake {
    calls: RefCell<Vec<&'static str>>,
    now: RefCell<Timestamp>,
    claim: Claim,
    claim_takes: Duration,
    publish: Result<(), &'static str>,
    mark: Result<(), &'static str>,
    park: Result<(), &'static str>,
}

impl Fake {
    fn new() -> Self {
        Self {
            calls: RefCell::default(),
            now: RefCell::new(at()),
            claim: Claim::Won,
            claim_takes: Duration::ZERO,
            publish: Ok(()),
            mark: Ok(()),
            park: Ok(()),
        }
    }

    fn called(&self, call: &'static str) {
        self.calls.borrow_mut().push(call);
    }
}

impl Outlet for Fake {
    type Error = &'static str;

    fn now(&self) -> Result<Timestamp, Self::Error> {
        Ok(*self.now.borrow())
    }

    async fn claim(&self, _: &AlertItem, _: Duration, writer: Writer<'_>) -> Result<Claim, Self::Error> {
        assert_eq!(writer.now, at(), "a claim is dated before it is asked for");
        self.called("claim");
        *self.now.borrow_mut() += self.claim_takes;
        Ok(self.claim)
    }

    async fn publish(&self, _: &AlertItem) -> Result<(), Self::Error> {
        self.called("publish");
        self.publish
    }

    fn is_final(&self, error: &Self::Error) -> bool {
        *error == "refused"
    }

    async fn mark_sent(&self, _: &AlertItem, _: Writer<'_>) -> Result<(), Self::Error> {
        self.called("mark");
        self.mark
    }

    async fn park(&self, _: &AlertItem, _: Writer<'_>) -> Result<(), Self::Error> {
        self.called("park");
        self.park
    }

    async fn release(&self, _: &AlertItem, _: Writer<'_>) -> Result<(), Self::Error> {
        self.called("release");
        Ok(())
    }
}

fn at() -> Timestamp {
    Timestamp::from_second(1_795_266_000).unwrap()
}

/// The result of an alert and its calls, with this much time left.
async fn sent(outlet: &Fake, left: Duration) -> (Sent<&'static str>, String) {
    let window = Window::closing_at(at()).unwrap();
    let alert = AlertItem::Digest(Box::new(Digest::new(window, Shard::WHOLE, Totals::default(), Vec::new())));
    let sent = send(outlet, &alert, "run", Instant::now() + left).await;
    (sent, outlet.calls.borrow().join(" "))
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn claim_publish_mark() {
    assert_eq!(sent(&Fake::new(), MINUTE).await, (Sent::Published, "claim publish mark".to_owned()));
    let outlet = Fake { mark: Err("lost"), ..Fake::new() };
    assert_eq!(sent(&outlet, MINUTE).await, (Sent::Unmarked("lost"), "claim publish mark".to_owned()));
    for (claim, expected) in [(Claim::Held, Sent::Held), (Claim::Done, Sent::Done)] {
        assert_eq!(sent(&Fake { claim, ..Fake::new() }, MINUTE).await, (expected, "claim".to_owned()));
    }
}

#[tokio::test]
async fn nothing_is_published_on_a_claim_that_may_run_out() {
    let pace = Pace::default();
    let longest = pace.claim - pace.send();
    for (claim_takes, expected) in [
        (longest - Duration::from_millis(1), "claim publish mark"),
        (longest, "claim release"),
        (pace.claim, "claim release"),
    ] {
        let outlet = Fake { claim_takes, ..Fake::new() };
        assert_eq!(sent(&outlet, 10 * MINUTE).await.1, expected, "{claim_takes:?}");
    }
}

#[tokio::test]
async fn nothing_is_begun_that_cannot_be_finished() {
    let (sent, calls) = sent(&Fake::new(), Pace::default().send() - Duration::from_millis(1)).await;
    assert_eq!((sent, calls.as_str()), (Sent::NoTime, ""));
}

#[tokio::test]
async fn a_publish_that_fails_gives_its_claim_back_and_one_that_is_refused_parks() {
    let outlet = Fake { publish: Err("throttled"), ..Fake::new() };
    assert_eq!(sent(&outlet, MINUTE).await, (Sent::Failed("throttled"), "claim publish release".to_owned()));
    let outlet = Fake { publish: Err("refused"), ..Fake::new() };
    assert_eq!(sent(&outlet, MINUTE).await, (Sent::Parked("refused"), "claim publish park".to_owned()));
    let outlet = Fake { publish: Err("refused"), park: Err("throttled"), ..Fake::new() };
    let expected = (Sent::Failed("refused"), "claim publish park release".to_owned());
    assert_eq!(sent(&outlet, MINUTE).await, expected);
}
