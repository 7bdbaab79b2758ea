//! What an operator says about RabbitMQ, read once and refused early.

use common::port::{PortError, PortResult};
use url::Url;

use super::PART;

/// AMQP heartbeat in seconds: a peer that says nothing for twice this long is gone (half-open TCP).
const HEARTBEAT_S: u16 = 10;
/// RabbitMQ's port.
const PORT: u16 = 5672;

/// Which of RabbitMQ's queue types hold the task messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueType {
    /// Replicated over the cluster's nodes.
    #[default]
    Quorum,
    /// On one node, on its disk: lighter, for a broker of a single node.
    Classic,
}

/// Where RabbitMQ is and how it is used.
#[derive(Debug, Clone)]
pub struct RabbitMqConfig {
    /// `amqp://user:password@host:5672/vhost`; a `heartbeat` in its query is kept. Of a cluster, the nodes with commas between them:
    /// `amqp://user:password@one:5672,two:5672,three:5672/vhost`. No TLS: `amqps://` is refused.
    pub url: String,
    /// Starts the name of every exchange and queue; installations that share a broker differ in it (or in the vhost).
    pub prefix: String,
    /// For queues that do not exist yet; one that exists is used as it is.
    pub queues: QueueType,
    /// Publishing connections, each with one confirm channel: how many publishes may be under way at once.
    pub publishers: usize,
    /// Shown in RabbitMQ's list of connections.
    pub name: String,
}

impl RabbitMqConfig {
    /// The defaults for a broker at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "spool".to_owned(),
            queues: QueueType::Quorum,
            publishers: 2,
            name: "spool".to_owned(),
        }
    }
}

/// A URL that was read and found good.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// With heartbeat, and with its password: never shown.
    pub url: String,
    pub host: String,
    pub port: u16,
}

impl Address {
    /// Reads the addresses of a URL with one host, or with several and commas between them.
    pub fn read_all(text: &str) -> PortResult<Vec<Self>> {
        let authority = text.find("://").map_or(0, |scheme| scheme + 3);
        let path =
            text[authority..].find(['/', '?', '#']).map_or(text.len(), |length| authority + length);
        let hosts = text[authority..path].rfind('@').map_or(authority, |at| authority + at + 1);
        let one = |host: &str| Self::read(&format!("{}{host}{}", &text[..hosts], &text[path..]));
        text[hosts..path].split(',').map(one).collect()
    }

    /// Reads a URL of one host, or says in one sentence what is wrong with it. The sentence never holds the password.
    fn read(text: &str) -> PortResult<Self> {
        let refused = |why: String| {
            PortError::broken(
                PART,
                format!("its URL {why}: write amqp://user:password@host:5672/%2f"),
            )
        };
        let mut url =
            Url::parse(text).map_err(|error| refused(format!("can't be read ({error})")))?;
        match url.scheme() {
            "amqp" => {}
            // lapin built without certificates' roots would take this URL and send the password in the clear.
            "amqps" => {
                return Err(refused(
                    "asks for TLS, which this build does not speak to RabbitMQ".to_owned(),
                ));
            }
            other => return Err(refused(format!("has the scheme `{other}`"))),
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        // An IPv6 address stands in brackets in a URL and nowhere else.
        let host = host.map(|host| host.trim_matches(['[', ']']).to_owned());
        let host = host.ok_or_else(|| refused("names no host".to_owned()))?;
        let port = url.port().unwrap_or(PORT);
        if !url.query_pairs().any(|(key, _)| key == "heartbeat") {
            url.query_pairs_mut().append_pair("heartbeat", &HEARTBEAT_S.to_string());
        }
        let url = url.to_string();
        url.parse::<lapin::uri::AMQPUri>()
            .map_err(|error| refused(format!("is no AMQP URL ({error})")))?;
        Ok(Self { url, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_a_heartbeat_unless_it_has_one() {
        let read = |text: &str| Address::read(text).expect("reads").url;
        assert_eq!(read("amqp://a:b@h:1/%2f"), "amqp://a:b@h:1/%2f?heartbeat=10");
        assert_eq!(read("amqp://h?heartbeat=3"), "amqp://h?heartbeat=3");
    }

    #[test]
    fn hosts_with_commas_between_them_share_all_the_rest() {
        let read = |text: &str| -> Vec<String> {
            Address::read_all(text).expect("reads").into_iter().map(|address| address.url).collect()
        };
        assert_eq!(
            read("amqp://a:b,@one:1,two,[::1]:3/%2f?heartbeat=5"),
            [
                "amqp://a:b,@one:1/%2f?heartbeat=5",
                "amqp://a:b,@two/%2f?heartbeat=5",
                "amqp://a:b,@[::1]:3/%2f?heartbeat=5"
            ]
        );
        assert_eq!(read("amqp://h"), ["amqp://h?heartbeat=10"]);
        for wrong in ["amqp://one,,two/", "amqp://one:1,two:x/", "one:1,two:2", ""] {
            Address::read_all(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn host_and_port_are_where_a_socket_would_look() {
        let place = |text: &str| {
            Address::read(text).map(|address| (address.host, address.port)).expect("reads")
        };
        assert_eq!(place("amqp://h/"), ("h".to_owned(), 5672));
        assert_eq!(place("amqp://u:p@[::1]:7/%2f"), ("::1".to_owned(), 7));
    }

    #[test]
    fn a_wrong_url_is_refused_in_a_sentence_that_names_the_remedy_and_not_the_password() {
        for wrong in [
            "",
            "localhost:5672",
            "http://guest:secret@host",
            "amqp://",
            "amqps://u:secret@h/",
            "amqp://u:secret@h/?heartbeat=x",
        ] {
            let sentence = Address::read(wrong).expect_err(wrong).to_string();
            assert!(sentence.contains("amqp://user:password@host"), "{sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }
}
