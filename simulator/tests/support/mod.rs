//! The traces of the reference figures, by their definition, and the MD5 that tells whether they are the right ones.

use systole_simulator::dram::TraceRequest;

/// Requests of a trace.
const N_REQUESTS: u64 = 100_000;

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A trace by its name.
pub(crate) fn trace(name: &str) -> Vec<TraceRequest> {
    let mut seed = 0x5EED;
    let mut random = || (splitmix64(&mut seed) & ((1 << 25) - 1)) * 64;
    let third = |i: u64| i % 3 == 2;
    let request = |i: u64| match name {
        "seq_read" => (64 * i, false),
        "rand_read" => (random(), false),
        "stride256k_read" => ((i << 18) & ((1 << 31) - 1), false),
        "tile256_read" => {
            let (tile, row, line) = (i / 1024, i / 4 % 256, i % 4);
            ((tile / 16 * 256 + row) * 4096 + tile % 16 * 256 + line * 64, false)
        }
        "seq_rw_2to1" if third(i) => ((1 << 30) + 64 * (i / 3), true),
        "seq_rw_2to1" => (64 * (i - i / 3), false),
        "rand_rw_2to1" => (random(), third(i)),
        _ => panic!("there is no trace `{name}`"),
    };
    let requests = (0..N_REQUESTS).map(request);
    requests
        .map(|(address, is_write)| TraceRequest { address, is_write })
        .collect()
}

/// The text of a trace.
pub(crate) fn text(requests: &[TraceRequest]) -> String {
    let line = |r: &TraceRequest| format!("0x{:X} {}\n", r.address, if r.is_write { 'W' } else { 'R' });
    requests.iter().map(line).collect()
}

/// MD5 (RFC 1321) in hexadecimal.
pub(crate) fn md5(message: &[u8]) -> String {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let constant = |i: usize| (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
    let constants: Vec<u32> = (0..64).map(constant).collect();
    let mut bytes = message.to_vec();
    bytes.push(0x80);
    bytes.resize((bytes.len() + 8).next_multiple_of(64) - 8, 0);
    bytes.extend((message.len() as u64 * 8).to_le_bytes());
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in bytes.chunks_exact(64) {
        let word = |i: usize| u32::from_le_bytes(block[4 * i..4 * i + 4].try_into().unwrap());
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64 {
            let (mix, source) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), 7 * i % 16),
            };
            let sum = a
                .wrapping_add(mix)
                .wrapping_add(constants[i])
                .wrapping_add(word(source));
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4]));
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let bytes = state.iter().flat_map(|word| word.to_le_bytes());
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
