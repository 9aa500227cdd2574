package gguf

// The K formats: super-blocks of 256 elements with a scale d (and a scale of minima) for the small integer scales of their
// sub-blocks. The conversions around products keep the compiler from fusing them into the sums: results are then the same on
// every machine.

// decodeQ2_K: 16 bytes of scale|minimum nibbles, 64 bytes of 2-bit quants, d, dmin. Sub-blocks have 16 elements.
func decodeQ2_K(src []byte, dst []float32) {
	scales, quants := src[:16], src[16:80]
	d, dmin := half(src[80:]), half(src[82:])
	for i := range dst {
		s := scales[i/16]
		scale, low := d*float32(s&15), dmin*float32(s>>4)
		q := quants[i/128*32+i%32] >> (i % 128 / 32 * 2) & 3
		dst[i] = float32(scale*float32(q)) - low
	}
}

// decodeQ3_K: 32 bytes of high bits, 64 bytes of 2-bit quants, 12 bytes of 6-bit scales, d. A high bit that is not set subtracts 4.
func decodeQ3_K(src []byte, dst []float32) {
	high, quants, packed := src[:32], src[32:96], src[96:108]
	d := half(src[108:])
	var scales [16]float32
	for i := range scales {
		low := packed[i%8] >> (i / 8 * 4) & 15
		top := packed[8+i%4] >> (i / 4 * 2) & 3
		scales[i] = d * float32(int(low|top<<4)-32)
	}
	for i := range dst {
		q := int(quants[i/128*32+i%32] >> (i % 128 / 32 * 2) & 3)
		if high[i%32]>>(i/32)&1 == 0 {
			q -= 4
		}
		dst[i] = scales[i/16] * float32(q)
	}
}

// scaleMin unpacks the 6-bit scale and minimum of sub-block i of the 8 that 12 bytes hold.
func scaleMin(packed []byte, i int) (scale, low byte) {
	if i < 4 {
		return packed[i] & 63, packed[i+4] & 63
	}
	return packed[i+4]&15 | packed[i-4]>>6<<4, packed[i+4]>>4 | packed[i]>>6<<4
}

// decodeQ4_K: d, dmin, 12 bytes of scales and minima, 128 bytes of nibbles: 32 low halves, then the same bytes' high halves.
func decodeQ4_K(src []byte, dst []float32) {
	d, dmin, packed, quants := half(src), half(src[2:]), src[4:16], src[16:144]
	for sub := range 8 {
		s, m := scaleMin(packed, sub)
		scale, low := d*float32(s), dmin*float32(m)
		shift := sub % 2 * 4
		for i, q := range quants[sub/2*32 : sub/2*32+32] {
			dst[sub*32+i] = float32(scale*float32(q>>shift&15)) - low
		}
	}
}

// decodeQ5_K is Q4_K with 32 bytes of fifth bits: bit n of byte i belongs to element i of sub-block n.
func decodeQ5_K(src []byte, dst []float32) {
	d, dmin, packed, high, quants := half(src), half(src[2:]), src[4:16], src[16:48], src[48:176]
	for sub := range 8 {
		s, m := scaleMin(packed, sub)
		scale, low := d*float32(s), dmin*float32(m)
		shift := sub % 2 * 4
		for i, q := range quants[sub/2*32 : sub/2*32+32] {
			dst[sub*32+i] = float32(scale*float32(q>>shift&15|high[i]>>sub&1<<4)) - low
		}
	}
}

// decodeQ6_K: 128 bytes of low nibbles, 64 bytes of 2-bit tops, 16 int8 scales, d.
func decodeQ6_K(src []byte, dst []float32) {
	low, top, scales := src[:128], src[128:192], src[192:208]
	d := half(src[208:])
	for i := range dst {
		part, in := i/128, i%128
		q := low[part*64+in%64] >> (in / 64 * 4) & 15
		q |= top[part*32+in%32] >> (in / 32 * 2) & 3 << 4
		dst[i] = float32(d*float32(int8(scales[i/16]))) * float32(int(q)-32)
	}
}
