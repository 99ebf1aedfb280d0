//! Follows the nesting of a JSON text byte by byte, so that its end is known without parsing it again and again.

/// How deep in a JSON text the last byte was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Depth {
    open: usize,
    in_string: bool,
    escaped: bool,
}

impl Depth {
    /// Takes one byte; true when it closes the outermost bracket.
    pub(crate) fn step(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.open += 1,
            b'}' | b']' => {
                let closes = self.open == 1;
                self.open = self.open.saturating_sub(1);
                return closes;
            }
            _ => {}
        }
        false
    }

    /// Whether a bracket or a string is open.
    pub(crate) fn is_open(self) -> bool {
        self.open > 0 || self.in_string
    }
}
