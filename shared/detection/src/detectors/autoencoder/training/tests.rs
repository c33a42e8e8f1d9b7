use super::*;

/// Stretches of a day that goes up and down, with a little noise. `count` of them follow each other.
fn stretches(count: usize) -> Vec<[f32; DAY]> {
    let value = |hour: usize| {
        let noise = ((hour * 7_919 % 101) as f32 / 50.0 - 1.0) * 0.02;
        1.0 + 0.5 * (hour as f32 * std::f32::consts::TAU / DAY as f32).sin() + noise
    };
    (0..count).map(|first| std::array::from_fn(|place| value(first + place))).collect()
}

fn network() -> (Network, Xoshiro256PlusPlus) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    (Network::random(&mut random), random)
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let (network, mut random) = network();
    let stretch: [f64; DAY] = std::array::from_fn(|place| (place as f64 * 0.7).sin() + 0.3);
    let mut gradient = vec![0.0; SIZE];
    network.add_gradient(&stretch, &mut gradient);
    let at = |place: usize, step: f64| {
        let mut moved = network.clone();
        moved.numbers[place] += step;
        moved.error(&stretch)
    };
    // Some weights of each part, the first and the last among them.
    let drawn = (0..400).map(|_| random.next_u32() as usize % SIZE);
    for place in drawn.chain([0, SIZE - 1, SIZE - 2]) {
        let slope = (at(place, 1e-5) - at(place, -1e-5)) / 2e-5;
        assert!(
            (gradient[place] - slope).abs() < 1e-8 + 1e-5 * slope.abs(),
            "{place}: {} {slope}",
            gradient[place]
        );
    }
    assert!(gradient.iter().filter(|slope| slope.abs() > 1e-9).count() > SIZE / 2);
}

#[test]
fn the_forward_pass_is_that_of_the_file() {
    let (network, _) = network();
    let read = Autoencoder::try_from(&network.file(-2.0, 0.5)).unwrap();
    for stretch in stretches(20) {
        let (here, there) = (network.error(&stretch.map(f64::from)), read.error(&stretch));
        assert!((here - there).abs() < 1e-5 * here, "{here} {there}");
    }
}

#[test]
fn a_step_of_adam_is_as_published() {
    let mut numbers = vec![1.0; SIZE];
    let mut gradient = vec![0.0; SIZE];
    (gradient[0], gradient[1]) = (4.0, -0.01);
    let mut adam = Adam::new();
    adam.step(&mut numbers, &gradient);
    // The first step is as long as the rate, whatever the slope is.
    assert!((numbers[0] - 0.995).abs() < 1e-8 && (numbers[1] - 1.005).abs() < 1e-8, "{:?}", &numbers[..2]);
    assert_eq!(numbers[2], 1.0);
    gradient[0] = -4.0;
    adam.step(&mut numbers, &gradient);
    // m = 0.9 * 0.4 - 0.4 over 1 - 0.81, v = 16.
    assert!((numbers[0] - (0.995 + 0.005 * (0.04 / 0.19) / 4.0)).abs() < 1e-8, "{}", numbers[0]);
}

#[test]
fn a_network_learns_what_is_normal() {
    let mut errors = Vec::new();
    let plan = Plan::new(60, 7).unwrap();
    let trained = train(&stretches(400), &plan, |epoch| errors.push(epoch.error)).unwrap();
    assert!(trained.error < 0.1 * errors[0], "{} after {}", trained.error, errors[0]);
    assert_eq!((trained.trained_on, trained.held_out), (320 - DAY, 80));
    let network = Autoencoder::try_from(&trained.file).unwrap();
    let normal = stretches(430)[420];
    let score = |stretch: &[f32; DAY]| network.score(network.error(stretch));
    assert!(score(&normal) < 3.0, "{}", score(&normal));
    let mut odd = normal;
    odd[DAY - 1] += 2.0;
    assert!(score(&odd) > 3.0, "{}", score(&odd));
}

#[test]
fn the_same_seed_trains_the_same_network() {
    let of = |seed| train(&stretches(150), &Plan::new(3, seed).unwrap(), |_| {}).unwrap();
    assert_eq!(of(1), of(1));
    assert_ne!(of(1).file, of(2).file);
}

#[test]
fn long_records_are_thinned_out() {
    let many = vec![[1.0; DAY]; 3 * MOST];
    assert_eq!(thinned(&many).len(), MOST);
    assert_eq!(thinned(&many[..MOST]).len(), MOST);
}

#[test]
fn what_makes_no_network_is_refused() {
    let of = |stretches: &[[f32; DAY]]| train(stretches, &Plan::default(), |_| {}).unwrap_err();
    assert_eq!(of(&stretches(99)), TrainingError::TooFew { found: 99 });
    assert_eq!(of(&[[f32::NAN; DAY]; 120]), TrainingError::Overflow);
    assert_eq!(
        of(&stretches(99)).to_string(),
        "99 stretches of 24 values are too few to train on: 100 are needed"
    );
    assert_eq!(Plan::new(0, 1).unwrap_err().setting, "epochs");
}
