//! Queues of the kernel that all of a machine share.

/// How many packets the kernel has dropped between a sender and the socket, for want of room in the queue of a core: where
/// others flood loopback, any packet may be among them (the second column of `/proc/net/softnet_stat`).
pub(crate) fn dropped_by_the_kernel() -> u64 {
    let cores = std::fs::read_to_string("/proc/net/softnet_stat").expect("the kernel's own counts");
    let dropped = cores.lines().filter_map(|core| core.split_whitespace().nth(1));
    dropped.map(|count| u64::from_str_radix(count, 16).expect("a number in hexadecimal")).sum()
}
