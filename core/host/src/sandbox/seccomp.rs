//! A seccomp filter that answers some system calls with an error and lets all others through: the kernel's classic BPF,
//! with jumps over at most six instructions, so that it can be checked by reading.

use nix::libc;

use super::process::done;

/// A call that is refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    pub(super) call: libc::c_long,
    pub(super) when: When,
    /// The error that the caller sees.
    pub(super) errno: i32,
}

/// In which case it is refused. Arguments are counted from 0; all but `NotNull` compare the lower 32 bits, which is
/// all that the kernel takes of these arguments.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code))]
pub(super) enum When {
    Always,
    Is(u32, u32),
    IsNot(u32, u32),
    AnyOf(u32, u32),
    NoneOf(u32, u32),
    NotNull(u32),
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: Option<u32> = None;

/// The calls of x32, which a 64-bit process can make too, have this bit in their number.
const X32: u32 = 0x4000_0000;

/// Installs it for every thread of this process, over those that are there. The process must have given up new
/// privileges.
pub(super) fn install(refused: &[Refused]) -> Result<(), String> {
    let Some(architecture) = ARCHITECTURE else {
        return Err("not written for this architecture".to_owned());
    };
    let mut program = assemble(architecture, refused);
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| "the filter is too long".to_owned())?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program and what it points to outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    done("the kernel refuses a filter", result)
}

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

fn low(argument: u32) -> u32 {
    16 + 8 * argument
}

fn high(argument: u32) -> u32 {
    low(argument) + 4
}

fn assemble(architecture: u32, refused: &[Refused]) -> Vec<libc::sock_filter> {
    let mut code = vec![
        load(ARCH),
        jump(libc::BPF_JEQ, architecture, 1, 0),
        refuse(libc::EPERM),
        load(NUMBER),
        jump(libc::BPF_JGE, X32, 0, 1),
        refuse(libc::EPERM),
    ];
    for Refused { call, when, errno } in refused {
        // Each part leaves the call's number loaded, and is jumped over when the call is another.
        let condition = match *when {
            When::Always => vec![],
            When::Is(argument, value) => vec![load(low(argument)), jump(libc::BPF_JEQ, value, 0, 1)],
            When::IsNot(argument, value) => vec![load(low(argument)), jump(libc::BPF_JEQ, value, 1, 0)],
            When::AnyOf(argument, mask) => vec![load(low(argument)), jump(libc::BPF_JSET, mask, 0, 1)],
            When::NoneOf(argument, mask) => vec![load(low(argument)), jump(libc::BPF_JSET, mask, 1, 0)],
            When::NotNull(argument) => vec![
                load(low(argument)),
                jump(libc::BPF_JEQ, 0, 0, 2),
                load(high(argument)),
                jump(libc::BPF_JEQ, 0, 1, 0),
            ],
        };
        let mut part = condition;
        part.push(refuse(*errno));
        if part.len() > 1 {
            part.push(load(NUMBER));
        }
        // Numbers of calls fit; a part has six instructions at most.
        let number = u32::try_from(*call).unwrap_or(u32::MAX);
        code.push(jump(libc::BPF_JEQ, number, 0, u8::try_from(part.len()).unwrap_or(u8::MAX)));
        code.append(&mut part);
    }
    code.push(answer(libc::SECCOMP_RET_ALLOW));
    code
}

fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

/// Jumps over as many instructions: `yes` when it holds, `no` when not.
fn jump(test: u32, value: u32, yes: u8, no: u8) -> libc::sock_filter {
    instruction(libc::BPF_JMP | test | libc::BPF_K, value, yes, no)
}

fn refuse(errno: i32) -> libc::sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno.unsigned_abs())
}

fn answer(value: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, value, 0, 0)
}

#[expect(clippy::cast_possible_truncation, reason = "codes of classic BPF have 16 bits")]
fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}
