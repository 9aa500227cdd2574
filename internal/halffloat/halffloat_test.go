package halffloat

import (
	"math"
	"testing"
)

func TestHalfPrecisionConversions(t *testing.T) {
	for _, c := range []struct {
		in   float32
		want uint16
	}{{1, 0x3F80}, {1.00390625, 0x3F80}, {1.01171875, 0x3F82}, {float32(math.Inf(1)), 0x7F80}, {-2, 0xC000}} {
		if got := ToBF16(c.in); got != c.want {
			t.Errorf("ToBF16(%v) = %#x, want %#x", c.in, got, c.want)
		}
	}
	for h, want := range map[uint16]float32{0x3C00: 1, 0xC000: -2, 0x0001: 5.9604645e-08, 0x7BFF: 65504, 0x8000: 0, 0x3555: 0.33325195} {
		if got := FromF16(h); got != want {
			t.Errorf("half %#x = %v, want %v", h, got, want)
		}
	}
}
