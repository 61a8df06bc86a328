//! Whose what exists is: by its record, by what the stack remembers, or by nothing but tags, which anybody may write.

mod knowledge;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::sync::OnceCell;

use crate::kind::Context;
use crate::lease::{self, Document, Memory};
use crate::plan::Kinds;
use crate::reading::{Missed, is_of_one};
use crate::record::{Judge, Key};
use crate::resource::{Address, Desired, Live, Obstacle, Unread, Whose};
use crate::sweep::{Swept, sweep, unread_of};
use knowledge::Knowledge;

/// How many things are asked for by their identifiers at a time.
const AT_ONCE: usize = 10;

/// What exists of a stack, and whose each is.
#[derive(Debug)]
pub struct Known {
    /// What exists, each with whose it is.
    pub live: Vec<Live>,
    /// The document beside the lease; none where there is none, or it can't be read.
    pub document: Option<Document>,
    /// What the stack remembers, as far as it is trusted.
    pub memory: Memory,
    /// Why the document isn't trusted, or is missing although the stack was applied.
    pub doubt: Option<String>,
    /// What was said of the document when it couldn't be read.
    pub untold: Option<String>,
    /// What exists, or may, and couldn't be read.
    pub unread: Vec<Unread>,
    /// Whether the caller may not read the key, so that no record was verified.
    pub denied: bool,
}

/// Reads everything of the stack that exists, and judges whose it is. An error says that the stack's key can't be used.
pub async fn read(kinds: Kinds<'_>, context: &Context, desired: &Desired) -> Result<Known> {
    let inquiry = Arc::new(Inquiry { context: context.clone(), answer: OnceCell::new() });
    let records = context.records.clone().judged_by(inquiry.clone());
    let judged = Context { records, ..context.clone() };
    let (live, knowledge) = tokio::join!(sweep(kinds, &judged, desired), inquiry.knowledge());
    let (knowledge, Swept { live, unread }) = (knowledge?, live?);
    let mut known = knowledge.judge(kinds, desired, live.clone());
    let is_sure = known.doubt.is_none() && known.untold.is_none();
    if !is_sure || known.live.iter().any(|live| live.whose.claim().is_some()) {
        // Another apply of the stack may have made them since the document was read.
        known = Knowledge::of(context).await?.judge(kinds, desired, live);
    }
    known.unread.extend(unread);
    let (untagged, unread) = untagged(kinds, context, desired, &known).await?;
    known.live.extend(untagged);
    known.unread.extend(unread);
    known.live.sort_by(|a, b| a.address.cmp(&b.address).then_with(|| a.id.cmp(&b.id)));
    Ok(known)
}

/// What the stack remembers and no sweep finds, because somebody took its tags away, and what of that can't be read: a request
/// or more for each thing that is gone. An error is one of all.
async fn untagged(
    kinds: Kinds<'_>,
    context: &Context,
    desired: &Desired,
    known: &Known,
) -> Result<(Vec<Live>, Vec<Unread>)> {
    let there: HashSet<&str> = known.live.iter().map(|live| live.id.as_str()).collect();
    let is_unread = |address: &Address| known.unread.iter().any(|one| one.means(address));
    let missing =
        known.memory.lived.iter().filter(|(address, lived)| !there.contains(lived.id.as_str()) && !is_unread(address));
    let reads = missing.map(async |(address, lived)| {
        let kind = kinds.get(&address.kind).filter(|kind| !kind.is_tagless())?;
        left(address, &lived.id, kind.read(context, address, &lived.id).await, is_wanted(desired, address))
    });
    let found: Vec<_> = futures::stream::iter(reads).buffer_unordered(AT_ONCE).collect().await;
    let (mut live, mut unread) = (Vec::new(), Vec::new());
    for one in found.into_iter().flatten() {
        match one {
            Ok(one) => live.push(one),
            Err(missed) if is_of_one(&missed.error) => unread.push(unread_of(missed)),
            Err(missed) => return Err(missed.error),
        }
    }
    unread.sort_by(|a, b| a.address.cmp(&b.address));
    Ok((live, unread))
}

/// What is left of something that no sweep finds, by what came of reading it: the thing, that it couldn't be read, or nothing.
fn left(address: &Address, id: &str, read: Result<Option<Live>>, is_wanted: bool) -> Option<Result<Live, Missed>> {
    match read {
        Ok(Some(live)) if live.id == id => {
            let whose = Whose::Unproven("its tags were taken away".to_owned());
            Some(Ok(Live { whose, applied: None, ..live }))
        }
        Err(error) if is_there_still(&error, is_wanted) => {
            let (kind, address) = (address.kind.clone(), Some(address.clone()));
            Some(Err(Missed { kind, address, id: Some(id.to_owned()), error }))
        }
        // A kind says of what waits for its end, and of what others use otherwise, that nobody can take it over.
        Ok(_) | Err(_) => None,
    }
}

/// Whether a thing may be there although it couldn't be read: AWS didn't answer what it is, or it carries the tags of another
/// stack, which the file that still wants it never gave it.
fn is_there_still(error: &anyhow::Error, is_wanted: bool) -> bool {
    let is_unanswered = error.chain().any(<dyn std::error::Error>::is::<lakewright_aws::Error>);
    is_unanswered || is_wanted && error.is::<Obstacle>()
}

fn is_wanted(desired: &Desired, address: &Address) -> bool {
    let former = desired.moved.iter().filter(|moved| moved.from == *address).map(|moved| &moved.to);
    let mut now = former.chain([address]);
    now.any(|address| desired.resources.iter().any(|wanted| wanted.address == *address))
}

/// The same by a document and a key that the caller has: what would be known if they were put back. Without a key nothing
/// is verified.
pub async fn suppose(
    kinds: Kinds<'_>,
    context: &Context,
    desired: &Desired,
    (document, key): (Option<Document>, Option<Key>),
) -> Result<Known> {
    let knowledge = Knowledge::supposed(lease::signer(context).scope().clone(), document, key);
    let Swept { live, unread } = sweep(kinds, context, desired).await?;
    Ok(Known { unread, ..knowledge.judge(kinds, desired, live) })
}

/// What the stack remembers by now, as far as it is trusted.
pub async fn memory(context: &Context) -> Result<Memory> {
    Ok(Knowledge::of(context).await?.trusted())
}

/// Asks once for what is known, however many want to know it.
struct Inquiry {
    context: Context,
    answer: OnceCell<Arc<Knowledge>>,
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inquiry({})", self.context.stack)
    }
}

impl Inquiry {
    async fn knowledge(&self) -> Result<Arc<Knowledge>> {
        self.answer.get_or_try_init(|| async { Knowledge::of(&self.context).await.map(Arc::new) }).await.cloned()
    }
}

#[async_trait]
impl Judge for Inquiry {
    async fn is_own(&self, address: &Address, id: &str, applied: Option<&str>) -> bool {
        // An error is said where the whole of it is read.
        let Ok(knowledge) = self.knowledge().await else { return false };
        knowledge.is_own(address, id, applied)
    }

    async fn seal(&self, address: &Address) -> Option<String> {
        self.knowledge().await.ok()?.seal(address).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::testing::live;
    use crate::resource::Condition;

    #[test]
    fn what_no_sweep_finds_is_gone_only_if_aws_says_so() {
        let found = live("network.main", "network-1", json!({}), &Value::Null);
        let address = found.address.clone();
        let came = |read: Result<Option<Live>>, is_wanted| left(&address, "network-1", read, is_wanted);
        let pending = Live { condition: Condition::Pending("pending".to_owned()), ..found.clone() };
        for live in [found.clone(), pending] {
            let came = came(Ok(Some(live.clone())), true).expect("it is there").expect("it was read");
            assert_eq!((came.whose.fault(), came.condition), (Some("its tags were taken away"), live.condition));
        }
        let denied = |code| lakewright_aws::Error::answered("ec2", "DescribeVpcs", code, "", 403, "");
        for error in [denied("UnauthorizedOperation"), denied("RequestLimitExceeded")] {
            let error = anyhow::Error::new(error).context("read it");
            let missed = came(Err(error), false).expect("it may be there").expect_err("it wasn't read");
            assert_eq!((missed.address.as_ref(), missed.id.as_deref()), (Some(&address), Some("network-1")));
        }
        // Another stack's tags make nothing new where the file wants it; what it was taken out of may have given it away.
        let theirs = || -> Result<Option<Live>> {
            Err(Obstacle::new("it belongs to the stack other", "take its tags away").into())
        };
        assert!(came(theirs(), true).is_some() && came(theirs(), false).is_none());
        assert!(came(Ok(None), true).is_none());
        assert!(came(Ok(Some(Live { id: "network-2".to_owned(), ..found })), true).is_none());
        assert!(came(Err(anyhow!("the secret waits for its deletion")), true).is_none());
    }
}
