// Package halffloat converts between float32 and the two 16-bit formats that weights are stored in.
package halffloat

import "math"

// FromF16 widens an IEEE 754 binary16 number; every one is a float32.
func FromF16(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(frac)/(1<<24)))
	case 31: // infinity or not a number
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// FromBF16 widens a bfloat16 number, the upper half of a float32.
func FromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// ToBF16 rounds to the nearest bfloat16, ties to even.
func ToBF16(v float32) uint16 {
	bits := math.Float32bits(v)
	if bits&0x7FFFFFFF > 0x7F800000 { // NaN stays NaN
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7FFF + (bits>>16)&1) >> 16)
}
