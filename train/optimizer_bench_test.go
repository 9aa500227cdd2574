package train

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkStep is one update of SmolLM2-135M's adapter of rank 8 on q and v.
func BenchmarkStep(b *testing.B) {
	const n = 460800
	s := &state{params: make([]float32, n), m: make([]float32, n), v: make([]float32, n)}
	grad := make([]float32, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range grad {
		grad[i] = float32(rng.NormFloat64())
	}
	h := Hyper{}.WithDefaults()
	for b.Loop() {
		h.step(s, grad, 1000)
	}
}
