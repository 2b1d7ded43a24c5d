use veripile_metrology::cholesky::Symmetric;
fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut a = Symmetric::zero(n);
    let mut s: u64 = 1;
    for i in 0..n {
        a.add(i, i, n as f64);
        for j in 0..i {
            s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            a.add(i, j, (s >> 40) as f64 / (1u64 << 24) as f64 - 0.5);
        }
    }
    let t = std::time::Instant::now();
    let f = a.factor().unwrap();
    println!("factor {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let d = f.inverse_diagonal();
    println!("diag {:?} {:x}", t.elapsed(), d[0].to_bits());
}
