"""The estimator's plain model with numpy, written apart from it: what its numbers and its speed are held against.

    python tests/reference.py CHARGES.csv ANCHORS.csv OUT.csv

Files as `veripile assess` takes them. Vehicles eliminated, models and common bias with priors, t4 noise with a scale fitted by its
median, ten rounds of reweighting (Student's t as an IRLS; design note, metrology 2.1). No covariates, no interactions, no drift of
anchors, no check of anchors, no verdicts, no signals. Prints CPU seconds; writes pile_id,error_percent,standard_uncertainty_percent.
"""

import csv
import sys
import time

import numpy as np

NU, ROUNDS, NOISE_KWH = 4.0, 10, 0.15
VEHICLE_SD, MODEL_SD, COMMON_SD = 0.015, 0.005, 0.01
MEDIAN_T4 = 0.740697084112683
KAPPA = (NU + 1) / (NU + 3)


def numbered(names):
    order = {name: at for at, name in enumerate(sorted(set(names)))}
    return np.array([order[name] for name in names]), list(order)


def main(charges, anchors, out):
    began = time.process_time()
    with open(charges, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if row["energy_vehicle_kwh"]]
    read = time.process_time() - began
    pile, piles = numbered([row["pile_id"] for row in rows])
    vehicle, vehicles = numbered([row["vehicle_id"] for row in rows])
    models = dict(zip((row["vehicle_id"] for row in rows), (row["vehicle_model"] for row in rows)))
    model, names = numbered([models[name] for name in vehicles])
    energy = np.array([float(row["energy_pile_kwh"]) for row in rows])
    y = np.log(energy / np.array([float(row["energy_vehicle_kwh"]) for row in rows]))
    usable = np.abs(y) < 0.5
    pile, vehicle, energy, y = pile[usable], vehicle[usable], energy[usable], y[usable]
    size, fleet, kinds = len(piles), len(vehicles), len(names) + 1
    kind = np.zeros((fleet, kinds))
    kind[:, 0] = 1.0
    kind[np.arange(fleet), 1 + model] = 1.0
    with open(anchors, newline="", encoding="utf-8-sig") as file:
        given = [row for row in csv.DictReader(file) if row["pile_id"] in piles]
    at = np.array([piles.index(row["pile_id"]) for row in given])
    level = np.log1p([float(row["error_percent"]) / 100 for row in given])
    u = np.array([float(row["expanded_uncertainty_percent"]) / float(row["coverage_factor"]) / 100 for row in given])
    prior = np.diag([COMMON_SD**-2] + [MODEL_SD**-2] * (kinds - 1))
    tau, sigma, robust = VEHICLE_SD**-2, 0.02, np.ones(len(y))

    def equations(weight):
        seen = np.bincount(vehicle * size + pile, weight, fleet * size).reshape(fleet, size)
        total, sums = seen.sum(axis=1), np.bincount(vehicle, weight * y, fleet)
        f = 1 / (total + tau)
        j = np.zeros((size + kinds, size + kinds))
        j[:size, :size] = np.diag(seen.sum(axis=0)) - seen.T @ (f[:, None] * seen)
        j[:size, size:] = -seen.T @ ((tau * f)[:, None] * kind)
        j[size:, :size] = j[:size, size:].T
        j[size:, size:] = kind.T @ ((total * tau * f)[:, None] * kind) + prior
        right = np.concatenate([np.bincount(pile, weight * y, size) - seen.T @ (f * sums), -kind.T @ (tau * f * sums)])
        np.add.at(j, (at, at), u**-2)
        np.add.at(right, at, level * u**-2)
        return j, right, lambda e, m: f * (tau * (kind @ m) + seen @ e - sums)

    for _ in range(ROUNDS):
        variance = sigma**2 + (NOISE_KWH / energy) ** 2
        j, right, biases = equations(robust / variance)
        found = np.linalg.solve(j, right)
        left = y - found[pile] + biases(found[:size], found[size:])[vehicle]
        sigma *= np.median(np.abs(left) / np.sqrt(variance)) / MEDIAN_T4
        robust = (NU + 1) / (NU + left**2 / (sigma**2 + (NOISE_KWH / energy) ** 2))
    covariance = np.linalg.inv(equations(KAPPA / (sigma**2 + (NOISE_KWH / energy) ** 2))[0])
    deviation = np.sqrt(np.diag(covariance)[:size])
    with open(out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["pile_id", "error_percent", "standard_uncertainty_percent"])
        for name, e, s in zip(piles, found, deviation):
            writer.writerow([name, f"{100 * np.expm1(e):.6f}", f"{100 * s:.6f}"])
    spent = time.process_time() - began
    print(f"{len(y)} charges, {size} piles, {fleet} vehicles: {spent:.2f} CPU-s, {read:.2f} of it reading")


main(*sys.argv[1:])
