//! The tutorials' clients in Python against our services.

use crate::peer::{has, python, serve, succeeds};

fn against(test: &str, service: &str, endpoint: &str, script: &str, flags: &[&str]) {
    if !has(test, "python3") {
        return;
    }
    let (_server, address) = serve(service, endpoint, &[]);
    let said = succeeds(python(script).args(&address).args(flags));
    assert!(said.starts_with("ok:"), "{script} said {said:?}");
}

#[test]
fn greeting_clients_are_greeted() {
    against(
        "scripts::greeting_clients_are_greeted",
        "hello",
        "127.0.0.1:0",
        "greeting_client.py",
        &[],
    );
}

#[test]
fn fifty_greeting_clients_at_once() {
    let test = "scripts::fifty_greeting_clients_at_once";
    against(test, "hello", "127.0.0.1:0", "greeting_client.py", &["--clients", "50"]);
}

#[test]
fn greeting_client_over_ipv6() {
    against("scripts::greeting_client_over_ipv6", "hello", "[::1]:0", "greeting_client.py", &[]);
}

#[test]
fn greeting_client_over_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.sock");
    let path = path.to_str().expect("a plain path");
    against(
        "scripts::greeting_client_over_a_unix_socket",
        "hello",
        path,
        "greeting_client.py",
        &[],
    );
}

#[test]
fn echo_clients_get_back_what_they_sent() {
    against(
        "scripts::echo_clients_get_back_what_they_sent",
        "echo",
        "127.0.0.1:0",
        "echo_client.py",
        &[],
    );
}

#[test]
fn ok_clients_hear_ok() {
    against("scripts::ok_clients_hear_ok", "ok", "127.0.0.1:0", "ok_client.py", &[]);
}

#[test]
fn udp_greeting_clients_are_greeted() {
    let test = "scripts::udp_greeting_clients_are_greeted";
    against(test, "hello", "udp://127.0.0.1:0", "udp_greeting_client.py", &[]);
}

#[test]
fn udp_echo_clients_get_back_also_nothing() {
    let test = "scripts::udp_echo_clients_get_back_also_nothing";
    against(test, "echo", "udp://127.0.0.1:0", "udp_echo_client.py", &[]);
}

#[test]
fn udp_temperatures_are_pythons_floats() {
    let test = "scripts::udp_temperatures_are_pythons_floats";
    against(test, "temp", "udp://127.0.0.1:0", "udp_temp_client.py", &[]);
}

/// safety.md 10
#[test]
fn a_character_split_at_every_byte_is_one_character() {
    let test = "scripts::a_character_split_at_every_byte_is_one_character";
    against(test, "hello", "127.0.0.1:0", "split_utf8.py", &[]);
}

#[test]
fn timeouts_and_non_blocking_mean_what_python_means() {
    let test = "scripts::timeouts_and_non_blocking_mean_what_python_means";
    against(test, "discard", "127.0.0.1:0", "timeouts.py", &[]);
}
