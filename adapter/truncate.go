package adapter

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// Truncation reports what a truncation lost.
type Truncation struct {
	Rank int `json:"rank"`
	// RelativeError is the Frobenius norm of what was dropped over that of the whole, all projections together.
	RelativeError float64         `json:"relative_error"`
	Keys          []KeyTruncation `json:"keys"`
}

// KeyTruncation is one projection's part of a Truncation.
type KeyTruncation struct {
	Layer         int     `json:"layer"`
	Module        string  `json:"module"`
	RelativeError float64 `json:"relative_error"`
	// Spectrum are the singular values of the update before truncation, scale included, largest first: as many as min(rank, in, out).
	Spectrum []float64 `json:"spectrum"`
}

// Truncate gives the best approximation of rank at most rank to every update, in the Frobenius norm (Eckart–Young), and what it lost. The update is never
// formed: QR of both factors, then a singular value decomposition of the small core between them. The singular values are split evenly between A
// and B, and the largest entry of each column of B is positive. The result keeps the scale; a rank above the adapter's own only adds zeros.
func Truncate(a *Adapter, rank int) (*Adapter, *Truncation, error) {
	if err := a.Validate(); err != nil {
		return nil, nil, err
	}
	if rank < 1 || rank > maxRank {
		return nil, nil, fmt.Errorf("adapter: truncation to rank %d, must be 1 to %d", rank, maxRank)
	}
	scale := a.Scale()
	out := fused([]*Adapter{a}, a.Keys(), rank, scale)
	report := &Truncation{Rank: rank}
	var lost, whole float64
	for _, k := range a.Keys() {
		f := a.Layers[k]
		qb, rb := qr(dense(f.B, scale))
		qa, ra := qr(mat.DenseCopyOf(dense(f.A, 1).T()))
		var core mat.Dense
		core.Mul(rb, ra.T())
		var svd mat.SVD
		if !svd.Factorize(&core, mat.SVDThin) {
			return nil, nil, fmt.Errorf("adapter: %s: the singular value decomposition does not converge", k)
		}
		kt := KeyTruncation{Layer: k.Layer, Module: k.Module, Spectrum: svd.Values(nil)}
		all, tail := energy(kt.Spectrum, 0), energy(kt.Spectrum, rank)
		if all > 0 {
			kt.RelativeError = math.Sqrt(tail / all)
		}
		lost, whole = lost+tail, whole+all
		report.Keys = append(report.Keys, kt)

		var u, v, left, right mat.Dense
		svd.UTo(&u)
		svd.VTo(&v)
		left.Mul(qb, &u)  // [out, n]
		right.Mul(qa, &v) // [in, n]
		g := Factors{A: zeros(rank, f.A.Cols), B: zeros(f.B.Rows, rank)}
		for j := range min(rank, len(kt.Spectrum)) {
			c := math.Sqrt(kt.Spectrum[j] / scale)
			if largest(&left, j) < 0 {
				c = -c
			}
			for i := range g.B.Rows {
				g.B.Data[i*rank+j] = float32(c * left.At(i, j))
			}
			for i := range g.A.Cols {
				g.A.Data[j*g.A.Cols+i] = float32(c * right.At(i, j))
			}
		}
		out.Layers[k] = g
	}
	if whole > 0 {
		report.RelativeError = math.Sqrt(lost / whole)
	}
	out, err := finish(out)
	return out, report, err
}

// dense is c*m in float64.
func dense(m Matrix, c float64) *mat.Dense {
	d := make([]float64, len(m.Data))
	axpy(d, c, m.Data)
	return mat.NewDense(m.Rows, m.Cols, d)
}

// qr factors a matrix thinly: q [rows, n] with orthonormal columns, r [n, cols], n = min(rows, cols).
func qr(m *mat.Dense) (q, r *mat.Dense) {
	rows, cols := m.Dims()
	if rows <= cols { // already as small as the core can be
		id := mat.NewDense(rows, rows, nil)
		for i := range rows {
			id.Set(i, i, 1)
		}
		return id, m
	}
	// mat.QR would form the square Q [rows, rows]; LAPACK's own routines stop at its first columns.
	q = mat.DenseCopyOf(m)
	raw, tau, size := q.RawMatrix(), make([]float64, cols), make([]float64, 1)
	lapack64.Geqrf(raw, tau, size, -1)
	work := make([]float64, max(int(size[0]), cols))
	lapack64.Geqrf(raw, tau, work, len(work))
	r = mat.NewDense(cols, cols, nil)
	for i := range cols {
		for j := i; j < cols; j++ {
			r.Set(i, j, q.At(i, j))
		}
	}
	lapack64.Orgqr(raw, tau, size, -1)
	work = make([]float64, max(int(size[0]), cols))
	lapack64.Orgqr(raw, tau, work, len(work))
	return q, r
}

// energy is the sum of squares from index from on.
func energy(s []float64, from int) float64 {
	e := 0.
	for i := from; i < len(s); i++ {
		e += s[i] * s[i]
	}
	return e
}

// largest is the entry of column j with the largest magnitude, the first of equals.
func largest(m *mat.Dense, j int) float64 {
	rows, _ := m.Dims()
	best := 0.
	for i := range rows {
		if v := m.At(i, j); math.Abs(v) > math.Abs(best) {
			best = v
		}
	}
	return best
}
