//! The server that is talked to, and the way there.

use std::time::Duration;

use hobnob::endpoint::Endpoint;
use hobnob::engine::Dialer;
use hobnob::error::{Error, Kind, Result};
use hobnob::post::{MailErrand, MailRoute, Upgrade};

use crate::advice::Propose as _;
use crate::args;
use crate::job::Job;

/// How long connecting may take, where nobody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The server, and the way there.
pub(super) struct MailPlace {
    pub(super) route: MailRoute,
    pub(super) dialer: Dialer,
    pub(super) idle: Option<Duration>,
}

impl MailPlace {
    pub(super) fn read(job: &Job, errand: MailErrand) -> Result<Self> {
        let endpoint = endpoint(job, errand)?;
        let words = Upgrade::WORDS;
        let upgrade = args::choice(&job.matches, "starttls", words)?.map(Upgrade::of);
        let timeout = args::duration(&job.matches, "timeout")?.or(job.environment.timeout);
        let dialer = Dialer::default().family(job.family()?).timeout(timeout.unwrap_or(TIMEOUT));
        let upgrade = upgrade.unwrap_or_else(|| MailRoute::usual_upgrade(&endpoint));
        let route = MailRoute::new(&endpoint, errand, &dialer, upgrade)?;
        Ok(MailPlace { route, dialer, idle: args::duration(&job.matches, "idle")? })
    }
}

fn endpoint(job: &Job, errand: MailErrand) -> Result<Endpoint> {
    let (mut endpoints, loose) = job.endpoints(1, 2)?;
    let Some(mut endpoint) = endpoints.pop() else {
        let (text, example) = match errand {
            MailErrand::Send => ("send it by whom? an address is missing", "smtp://:1025"),
            MailErrand::Fetch => ("fetch from whom? an address is missing", "imap://:1143"),
        };
        let error = Error::new(Kind::Usage, text).try_endpoint(example, "of hobnob serve mail");
        return Err(error.try_command("hobnob help addresses", "every spelling"));
    };
    loose.iter().try_for_each(|option| endpoint.set(option))?;
    if job.is_on("insecure") { MailRoute::insecure(endpoint) } else { Ok(endpoint) }
}
