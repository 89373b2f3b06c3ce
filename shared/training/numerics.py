"""Numbers: loops over int and float, sieves, matrices, simulation steps, big integers, decimal, fractions."""

import cmath
import decimal
import fractions
import math
import random
import statistics


def sieve(limit):
    flags = bytearray([1]) * (limit + 1)
    flags[0:2] = b"\0\0"
    number = 2
    while number * number <= limit:
        if flags[number]:
            flags[number * number :: number] = bytes(len(range(number * number, limit + 1, number)))
        number += 1
    return [number for number, flag in enumerate(flags) if flag]


def collatz(limit):
    longest = 0
    for start in range(1, limit):
        number, steps = start, 0
        while number != 1:
            number = 3 * number + 1 if number & 1 else number >> 1
            steps += 1
        if steps > longest:
            longest = steps
    return longest


def product(left, right):
    columns = list(zip(*right))
    return [[sum(a * b for a, b in zip(row, column)) for column in columns] for row in left]


def eliminate(matrix):
    size = len(matrix)
    matrix = [row[:] for row in matrix]
    determinant = 1.0
    for i in range(size):
        best = max(range(i, size), key=lambda row: abs(matrix[row][i]))
        if best != i:
            matrix[i], matrix[best] = matrix[best], matrix[i]
            determinant = -determinant
        determinant *= matrix[i][i]
        for j in range(i + 1, size):
            factor = matrix[j][i] / matrix[i][i]
            for k in range(i, size):
                matrix[j][k] -= factor * matrix[i][k]
    return determinant


def pendulum(steps):
    angle, speed, dt = 1.0, 0.0, 0.001
    low = high = angle
    for _ in range(steps):
        speed -= math.sin(angle) * dt + 0.01 * speed * dt
        angle += speed * dt
        low = min(low, angle)
        if angle > high:
            high = angle
    return low, high


def escape(width, height):
    inside = 0
    for row in range(height):
        for column in range(width):
            c = complex(column / width * 3 - 2, row / height * 2 - 1)
            z = 0j
            for _ in range(25):
                z = z * z + c
                if abs(z) > 2.0:
                    break
            else:
                inside += 1
    return inside


def hashes(count):
    state = 0x811C9DC5
    for number in range(count):
        state ^= number & 0xFF
        state = (state * 0x01000193) & 0xFFFFFFFF
        state ^= (state << 5 | state >> 27) & 0xFFFFFFFF
    return state


def wide(count):
    a, b = 1, 1
    for _ in range(count):
        a, b = b, a + b
    power = pow(3, 2000, b)
    return len(str(power)), math.gcd(a, b), divmod(b, 12345678901234567890)


def exact(count):
    decimal.getcontext().prec = 30
    total = decimal.Decimal(0)
    for number in range(1, count):
        total += (decimal.Decimal(number) / 7).quantize(decimal.Decimal("0.01"))
    part = fractions.Fraction(0)
    for number in range(1, 60):
        part += fractions.Fraction(1, number)
    return total, part


def walk(rng, steps):
    x = y = 0
    seen = {(0, 0)}
    for _ in range(steps):
        turn = rng.randint(0, 3)
        if turn == 0:
            x += 1
        elif turn == 1:
            x -= 1
        elif turn == 2:
            y += 1
        else:
            y -= 1
        seen.add((x, y))
    return len(seen)


def main():
    rng = random.Random(3)
    for _ in range(50):
        sieve(60000)
        collatz(2500)
        matrix = [[rng.random() for _ in range(24)] for _ in range(24)]
        product(matrix, matrix)
        eliminate(matrix)
        pendulum(20000)
        escape(40, 30)
        hashes(20000)
        wide(1500)
        exact(2000)
        walk(rng, 8000)
        values = [rng.gauss(10, 2) for _ in range(800)]
        statistics.mean(values), statistics.median(values), statistics.pstdev(values)
        cmath.exp(1j * math.pi)


if __name__ == "__main__":
    main()
