//! One HTTP request and its answer, over any endpoint.
//!
//! [`get`] does all of it in one call. An [`Exchange`] is planned and asked, and what it is [`Asked`] is heard piece by
//! piece: for a body of any size, for what the wire says, and for the times.
//!
//! ```no_run
//! # async fn show() -> hobnob::Result<()> {
//! use hobnob::engine::{Dialer, parse};
//! use hobnob::exchange::{AnswerPart, Exchange, Request};
//! let exchange = Exchange::new(&parse("https://example.com/")?, Request::to("/"))?;
//! let mut asked = exchange.ask(&Dialer::default()).await?;
//! loop {
//!     match asked.part()? {
//!         Some(AnswerPart::Head(head)) => println!("{}", head.status),
//!         Some(AnswerPart::End) => break,
//!         Some(_) => {}
//!         None => drop(asked.receive().await?),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod asked;
mod failure;
mod plan;
mod redirect;
mod stopwatch;

use std::time::Duration;

pub use crate::codec::http::{AnswerPart, Head, Length, Request, Version, is_name};
use crate::engine::{self, Dialer};
use crate::error::{Error, Kind, Result};

pub use asked::{Answered, Asked};
pub use plan::Exchange;
pub use redirect::Redirect;
pub(crate) use stopwatch::Stopwatch;
pub use stopwatch::Times;

/// Bytes of a body that [`get`] holds in memory.
const MAX_BODY: usize = 64 << 20;
/// Silence after which [`get`] gives up.
const IDLE: Duration = Duration::from_mins(1);

/// Gets what an endpoint names, and waits for all of it: `http://example.com/`, `https://...`, `:8000`,
/// `http+unix:/run/x.sock,path=/info`. A status of 400 and more is an answer too.
///
/// The body may have 64 MiB, and the silence before and within it one minute. It blocks, so that inside a runtime it is an
/// error: there it is [`Exchange::ask`] and [`Asked::collect`].
pub fn get(endpoint: &str) -> Result<Answered> {
    let exchange = Exchange::new(&engine::parse(endpoint)?, Request::to("/"))?;
    if tokio::runtime::Handle::try_current().is_ok() {
        // The server that is asked may be a task of this very thread, which then could never answer.
        return Err(Error::new(Kind::Usage, "hobnob::get blocks, and would hold up this runtime")
            .why("there it is Exchange::new(..)?.ask(..).await?.collect(..).await"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::from_io("epoll_create", &error))?;
    runtime.block_on(async {
        let mut asked = exchange.ask(&Dialer::default()).await?;
        asked.set_idle(Some(IDLE));
        asked.collect(MAX_BODY).await
    })
}
