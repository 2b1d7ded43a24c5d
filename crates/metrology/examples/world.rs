use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal, StudentT};
use veripile_metrology::comparison::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let get = |i: usize, d: f64| a.get(i).map_or(d, |s| s.parse().unwrap());
    let (cities, per_city, vehicles, charges, noise, inter, seeds) = (
        get(1, 5.) as usize,
        get(2, 40.) as usize,
        get(3, 10000.) as usize,
        get(4, 254000.) as usize,
        get(5, 0.) as u32,
        get(6, 0.0),
        get(7, 1.) as u64,
    );
    let anchors_n = get(8, 10.) as usize;
    let mut tot = (0.0, 0.0, 0.0, 0.0, 0.0);
    for seed in 0..seeds {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let n = |sd: f64| Normal::new(0.0, sd).unwrap();
        let t4 = StudentT::new(4.0).unwrap();
        let piles = cities * per_city;
        let e: Vec<f64> = (0..piles).map(|_| n(0.005).sample(&mut rng)).collect();
        let c = n(0.01).sample(&mut rng);
        let m: Vec<f64> = (0..30).map(|_| n(0.005).sample(&mut rng)).collect();
        let cell: Vec<f64> =
            (0..piles * 30).map(|_| if inter > 0.0 { n(inter).sample(&mut rng) } else { 0.0 }).collect();
        let mut net = Network { instruments: piles, models: 30, ..Network::default() };
        let mut bias = vec![];
        for _ in 0..vehicles {
            let k = rng.random_range(0..30);
            net.travellers.push(Traveller { model: Some(k), known: None });
            bias.push(c + m[k] + n(0.015).sample(&mut rng));
        }
        net.comparisons = Comparisons::with_capacity(charges);
        for s in 0..charges {
            let v = s % vehicles;
            let home = v % cities;
            let city = if rng.random_bool(0.05) { rng.random_range(0..cities) } else { home };
            let p = city * per_city + rng.random_range(0..per_city);
            let size: f64 = (n(0.6).sample(&mut rng) + 2.7_f64).exp();
            let sd = (0.02f64.powi(2) + (0.15 / size).powi(2)).sqrt();
            let z = match noise {
                0 => n(1.0).sample(&mut rng),
                1 => t4.sample(&mut rng),
                _ => {
                    if rng.random_bool(0.05) {
                        n(8.0).sample(&mut rng)
                    } else {
                        n(1.0).sample(&mut rng)
                    }
                }
            };
            let k = net.travellers[v].model.unwrap();
            net.comparisons.push(&Comparison {
                instrument: p,
                traveller: v,
                log_ratio: e[p] + cell[p * 30 + k] - bias[v] + sd * z,
                size,
                class: 0,
                covariates: &[],
            });
        }
        for i in 0..anchors_n {
            let p = i * piles / anchors_n;
            net.anchors.push(Anchor {
                instrument: p,
                error: e[p] + n(0.00075).sample(&mut rng),
                standard_uncertainty: 0.00075,
            });
        }
        let t = std::time::Instant::now();
        let f = fit(&net, &Settings::default()).unwrap();
        let el = t.elapsed();
        let (mut sq, mut cov, mut cnt, mut u2) = (0.0, 0.0, 0.0, 0.0);
        for p in 0..piles {
            if net.anchors.iter().any(|a| a.instrument == p) {
                continue;
            }
            if let (true, Some((x, u))) = (f.instruments[p].grounded, f.instruments[p].error) {
                sq += (x - e[p]).powi(2);
                u2 += u * u;
                cov += f64::from((x - e[p]).abs() < 1.96 * u);
                cnt += 1.0;
            }
        }
        println!(
            "seed {seed} {el:?} rmse {:.4}% stated {:.4}% ratio {:.3} coverage {:.3} rounds {} conv {} {:?} sb {:.5} si {:.5} eff {:.3}",
            100. * (sq / cnt as f64).sqrt(),
            100. * (u2 / cnt as f64).sqrt(),
            (sq / u2 as f64).sqrt(),
            cov / cnt,
            f.diagnostics.rounds,
            f.diagnostics.converged,
            f.diagnostics.classes,
            f.diagnostics.traveller_sd,
            f.diagnostics.interaction_sd,
            f.diagnostics.efficiency
        );
        tot.0 += sq;
        tot.1 += u2;
        tot.2 += cov;
        tot.3 += cnt;
    }
    println!(
        "ALL rmse {:.4} stated {:.4} ratio {:.3} coverage {:.3}",
        100. * (tot.0 / tot.3 as f64).sqrt(),
        100. * (tot.1 / tot.3 as f64).sqrt(),
        (tot.0 / tot.1 as f64).sqrt(),
        tot.2 / tot.3
    );
    let _ = tot.4;
}
