package adapter

import "testing"

// smol are the q and v projections of SmolLM2-135M.
func smol() map[Key][2]int {
	s := map[Key][2]int{}
	for l := range 30 {
		s[Key{l, "q_proj"}], s[Key{l, "v_proj"}] = [2]int{576, 576}, [2]int{192, 576}
	}
	return s
}

func BenchmarkTruncatedFusion(b *testing.B) {
	x, y := random(b, Config{}, smol(), 1), random(b, Config{}, smol(), 2)
	for b.Loop() {
		if _, err := Combine(Exact, x, y, .5, 8); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	x := random(b, Config{}, smol(), 1)
	for b.Loop() {
		_ = x.Hash()
	}
}

func BenchmarkDistance(b *testing.B) {
	x, y := random(b, Config{}, smol(), 1), random(b, Config{}, smol(), 2)
	for b.Loop() {
		if _, err := Distance(x, y); err != nil {
			b.Fatal(err)
		}
	}
}
