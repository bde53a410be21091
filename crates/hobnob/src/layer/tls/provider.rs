//! The random source of this build's cryptography.

use std::sync::OnceLock;

use rustls::crypto::CryptoProvider;

#[cfg(test)]
thread_local! {
    /// How often this thread has seen to it that the random source is awake: it is so once a process.
    pub(super) static AWAKENED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Asks the random source for the first time, which takes some 40 ms once a process where it gathers its own entropy
/// (aws-lc). A layer that is prepared has done so: no handshake pays for it, and no clock of a dial counts it.
pub(super) fn awaken(provider: &CryptoProvider) {
    static AWAKE: OnceLock<()> = OnceLock::new();
    #[cfg(test)]
    AWAKENED.set(AWAKENED.get() + 1);
    awaken_once(provider, &AWAKE);
}

fn awaken_once(provider: &CryptoProvider, is_awake: &OnceLock<()>) {
    is_awake.get_or_init(|| {
        // A source that fails now fails in the handshake too, and is told there.
        let _ = provider.secure_random.fill(&mut [0; 32]);
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use rustls::crypto::{GetRandomFailed, SecureRandom};

    use super::*;
    use crate::crypto::provider;

    /// A random source that counts how often it is asked.
    #[derive(Debug)]
    struct Asked(AtomicUsize);

    impl SecureRandom for Asked {
        fn fill(&self, _: &mut [u8]) -> Result<(), GetRandomFailed> {
            self.0.fetch_add(1, Relaxed);
            Ok(())
        }
    }

    #[test]
    fn who_awakens_the_random_source_asks_it_and_only_the_first_does() {
        static SOURCE: Asked = Asked(AtomicUsize::new(0));
        let (ours, is_awake) = (provider(), OnceLock::new());
        let counted = CryptoProvider { secure_random: &SOURCE, ..(*ours).clone() };
        for _ in 0..2 {
            awaken_once(&counted, &is_awake);
            assert_eq!(SOURCE.0.load(Relaxed), 1);
        }
    }
}
