//! Gives memory that is free back to the system, where the allocator would keep it.
//!
//! The one place of Dunlin with `unsafe` code: one call of the C library.

/// Gives back what is free, and says whether that was anything. It walks the whole heap, and whoever allocates meanwhile waits: a tenth of
/// a second for some hundred megabytes.
///
/// With glibc this is malloc_trim(3): of what many small pieces have left behind, glibc gives back by itself only what lies at the end of
/// its heap. Other allocators are not asked: false.
pub fn give_back() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the C library's function has no other form")]
    // SAFETY: it takes no pointer, may be called from any thread at any time, and touches only memory that nobody has.
    unsafe {
        libc::malloc_trim(0) == 1
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::give_back;

    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_is_free_between_what_is_used_goes_back() {
        // 64 MiB in pieces of 4 KiB, of which one in a hundred stays.
        let pieces: Vec<_> = (0..16_384).map(|_| vec![1_u8; 4096]).collect();
        let kept: Vec<_> = pieces.into_iter().step_by(100).collect();
        let before = resident();
        assert!(give_back());
        assert!(resident() + 32 * 1024 < before, "{} kB of {before}", resident());
        assert!(kept.iter().all(|piece| piece[4095] == 1));
    }
}
