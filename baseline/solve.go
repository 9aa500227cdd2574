package baseline

import "math"

// solve solves A x = b in place, by Cholesky's decomposition: lower holds the rows of A up to the diagonal, one after another, and becomes L with
// A = L L'; b becomes x. It says whether A is positive definite. It is written out because it runs once for every sample, on ten
// unknowns, where the copies that a matrix library makes cost more than the arithmetic.
func solve(lower, b []float64) bool {
	row := func(i int) []float64 { return lower[i*(i+1)/2:][:i+1] }
	for i := range b {
		a := row(i)
		for j := range a {
			l := row(j)
			v := a[j]
			for k := range j {
				v -= a[k] * l[k]
			}
			if j < i {
				a[j] = v / l[j]
				continue
			}
			if !(v > 0) { // NaN, too
				return false
			}
			a[j] = math.Sqrt(v)
		}
		for k := range i {
			b[i] -= a[k] * b[k]
		}
		b[i] /= a[i]
	}
	for i := len(b) - 1; i >= 0; i-- {
		a := row(i)
		b[i] /= a[i]
		for k := range i {
			b[k] -= a[k] * b[i]
		}
	}
	return true
}
