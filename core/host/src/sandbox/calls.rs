//! Which system calls are refused, and when. A list of what is refused, not of what is allowed: a new glibc, another
//! libc or another language's runtime must not die of a call that nobody thought of. Descriptors, files and memory are
//! bounded by other means as well, so no entry stands alone.

use nix::libc::{self, c_long};

use super::seccomp::{Refused, When};

/// From before the plugin is loaded.
pub(super) fn ever() -> Vec<Refused> {
    let me = std::process::id();
    let mut calls: Vec<Refused> = EVER.iter().map(|call| always(*call)).collect();
    calls.extend([
        // A thread is allowed: its time counts against the same deadline. A process would outlive it.
        refused(libc::SYS_clone, When::NoneOf(0, libc::CLONE_THREAD.unsigned_abs())),
        // Its flags are in memory, where a filter cannot look; this error makes every libc use `clone`.
        Refused { call: libc::SYS_clone3, when: When::Always, errno: libc::ENOSYS },
        // `abort` and `raise` send a signal to themselves.
        refused(libc::SYS_kill, When::IsNot(0, me)),
        refused(libc::SYS_tgkill, When::IsNot(0, me)),
        refused(libc::SYS_rt_sigqueueinfo, When::IsNot(0, me)),
        refused(libc::SYS_rt_tgsigqueueinfo, When::IsNot(0, me)),
        // Those of the proxy. Its own it may lower until it is loaded, as we do.
        refused(libc::SYS_prlimit64, When::IsNot(0, 0)),
        refused(libc::SYS_prctl, When::Is(0, libc::PR_SET_PDEATHSIG.unsigned_abs())),
        refused(libc::SYS_prctl, When::Is(0, libc::PR_SET_DUMPABLE.unsigned_abs())),
        refused(libc::SYS_prctl, When::Is(0, libc::PR_SET_PTRACER.unsigned_abs())),
        refused(libc::SYS_personality, When::IsNot(0, u32::MAX)),
    ]);
    calls
}

/// Once it is loaded.
pub(super) fn once_loaded() -> Vec<Refused> {
    let executable = libc::PROT_EXEC.unsigned_abs();
    let mut calls: Vec<Refused> = LOADED.iter().map(|call| always(*call)).collect();
    calls.extend([
        // It asks for limits as well, and may.
        refused(libc::SYS_prlimit64, When::NotNull(2)),
        refused(libc::SYS_mmap, When::AnyOf(2, executable)),
        // Shared memory is not counted as data, so it would be memory beyond the limit.
        refused(libc::SYS_mmap, When::AnyOf(3, libc::MAP_SHARED.unsigned_abs())),
        refused(libc::SYS_mprotect, When::AnyOf(2, executable)),
        refused(libc::SYS_pkey_mprotect, When::AnyOf(2, executable)),
    ]);
    calls
}

fn refused(call: c_long, when: When) -> Refused {
    Refused { call, when, errno: libc::EPERM }
}

fn always(call: c_long) -> Refused {
    refused(call, When::Always)
}

/// Numbers that libc does not name yet; they are the same on all architectures.
const FCHMODAT2: c_long = 452;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const FILE_SETATTR: c_long = 469;
const OPEN_TREE_ATTR: c_long = 467;

/// Refused always, in both stages.
#[rustfmt::skip]
const EVER: &[c_long] = &[
    // The network. `send` and `recv` stay, for the socket that the frames come over.
    libc::SYS_socket, libc::SYS_socketpair, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept,
    libc::SYS_accept4,
    // Other processes.
    #[cfg(target_arch = "x86_64")] libc::SYS_fork,
    #[cfg(target_arch = "x86_64")] libc::SYS_vfork,
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_tkill, libc::SYS_pidfd_open, libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal, libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev,
    libc::SYS_process_madvise, libc::SYS_process_mrelease, libc::SYS_kcmp, libc::SYS_migrate_pages,
    libc::SYS_move_pages, libc::SYS_setpgid, libc::SYS_setsid, libc::SYS_setpriority, libc::SYS_ioprio_set,
    libc::SYS_sched_setscheduler, libc::SYS_sched_setparam, libc::SYS_sched_setattr,
    // Namespaces and mounts.
    libc::SYS_unshare, libc::SYS_setns, libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot,
    libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_fsopen, libc::SYS_fsconfig, libc::SYS_fsmount,
    libc::SYS_fspick, libc::SYS_mount_setattr, OPEN_TREE_ATTR,
    // Rights and limits.
    libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_setresuid,
    libc::SYS_setresgid, libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_setgroups, libc::SYS_capset,
    // The machine.
    libc::SYS_reboot, libc::SYS_kexec_load, libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module,
    libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_sethostname, libc::SYS_setdomainname, libc::SYS_settimeofday,
    libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex, libc::SYS_acct, libc::SYS_quotactl,
    libc::SYS_syslog, libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")] libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")] libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")] libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")] libc::SYS_modify_ldt,
    // Large parts of the kernel that have had faults, and that no plugin has a use for.
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register, libc::SYS_userfaultfd, libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl,
    libc::SYS_fanotify_init, libc::SYS_name_to_handle_at, libc::SYS_open_by_handle_at, libc::SYS_vmsplice,
    // Memory that is not counted as ours, or outlives us.
    libc::SYS_memfd_create, libc::SYS_memfd_secret, libc::SYS_shmget, libc::SYS_shmat, libc::SYS_shmctl,
    libc::SYS_msgget, libc::SYS_semget, libc::SYS_mq_open, libc::SYS_mq_unlink, libc::SYS_mlock, libc::SYS_mlock2,
    libc::SYS_mlockall,
    // Files: whatever changes one. Landlock knows of no modes, owners, times and attributes.
    libc::SYS_mkdirat, libc::SYS_unlinkat, libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_symlinkat,
    libc::SYS_mknodat, libc::SYS_truncate, libc::SYS_fchmod, libc::SYS_fchmodat, FCHMODAT2,
    libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_setxattr, libc::SYS_lsetxattr,
    libc::SYS_fsetxattr, libc::SYS_removexattr, libc::SYS_lremovexattr, libc::SYS_fremovexattr, libc::SYS_renameat,
    SETXATTRAT, REMOVEXATTRAT, FILE_SETATTR,
    #[cfg(target_arch = "x86_64")] libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")] libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")] libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")] libc::SYS_rename,
    #[cfg(target_arch = "x86_64")] libc::SYS_link,
    #[cfg(target_arch = "x86_64")] libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")] libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")] libc::SYS_creat,
    #[cfg(target_arch = "x86_64")] libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")] libc::SYS_chown,
    #[cfg(target_arch = "x86_64")] libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")] libc::SYS_utime,
    #[cfg(target_arch = "x86_64")] libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")] libc::SYS_futimesat,
];

/// Refused once the plugin is loaded: whatever takes a path. A libc copes with each.
#[rustfmt::skip]
const LOADED: &[c_long] = &[
    libc::SYS_openat, libc::SYS_openat2, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_readlinkat, libc::SYS_statfs, libc::SYS_getdents64, libc::SYS_chdir,
    libc::SYS_getxattr, libc::SYS_lgetxattr, libc::SYS_listxattr, libc::SYS_llistxattr, libc::SYS_inotify_add_watch,
    libc::SYS_remap_file_pages, libc::SYS_setrlimit,
    #[cfg(target_arch = "x86_64")] libc::SYS_open,
    #[cfg(target_arch = "x86_64")] libc::SYS_stat,
    #[cfg(target_arch = "x86_64")] libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")] libc::SYS_access,
    #[cfg(target_arch = "x86_64")] libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")] libc::SYS_getdents,
];
