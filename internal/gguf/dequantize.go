package gguf

import (
	"encoding/binary"
	"fmt"
	"math"

	"lsat/internal/halffloat"
)

// Dequantize writes elements from to to (a multiple of the format's block each, in row-major order) of a tensor as little-endian float32
// to dst, which has 4 bytes for each.
func (t Tensor) Dequantize(dst []byte, from, to int) error {
	f := formats[t.Type]
	if from < 0 || to < from || to > t.Elements() || len(dst) != 4*(to-from) || f.block == 0 || from%f.block != 0 || to%f.block != 0 {
		return fmt.Errorf("tensor %q: elements %d to %d of %d cannot be read into %d bytes", t.Name, from, to, t.Elements(), len(dst))
	}
	src := t.Data[from/f.block*f.size : to/f.block*f.size]
	switch t.Type {
	case F32:
		copy(dst, src)
	case F16:
		for i := range to - from {
			put(dst, i, half(src[2*i:]))
		}
	case BF16:
		for i := range to - from {
			binary.LittleEndian.PutUint32(dst[4*i:], uint32(binary.LittleEndian.Uint16(src[2*i:]))<<16)
		}
	case F64:
		for i := range to - from {
			put(dst, i, float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))))
		}
	default:
		if f.decode == nil {
			return fmt.Errorf("tensor %q: element type %s holds no weights", t.Name, t.Type)
		}
		var buf [256]float32
		block := buf[:f.block]
		for len(src) > 0 {
			f.decode(src[:f.size], block)
			for i, v := range block {
				put(dst, i, v)
			}
			src, dst = src[f.size:], dst[4*f.block:]
		}
	}
	return nil
}

// Float32s returns all elements.
func (t Tensor) Float32s() ([]float32, error) {
	raw := make([]byte, 4*t.Elements())
	if err := t.Dequantize(raw, 0, t.Elements()); err != nil {
		return nil, err
	}
	out := make([]float32, t.Elements())
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out, nil
}

func put(dst []byte, i int, v float32) { binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v)) }

// half reads an IEEE 754 binary16 number.
func half(b []byte) float32 { return halffloat.FromF16(binary.LittleEndian.Uint16(b)) }

// The simple formats: blocks of 32 with a scale d, and a minimum m in the _1 formats. Byte i of the quants holds element i in its
// low half and element i+16 in its high half.

func decodeQ4_0(src []byte, dst []float32) {
	d := half(src)
	for i, q := range src[2:18] {
		dst[i] = d * float32(int(q&15)-8)
		dst[i+16] = d * float32(int(q>>4)-8)
	}
}

func decodeQ4_1(src []byte, dst []float32) {
	d, m := half(src), half(src[2:])
	for i, q := range src[4:20] {
		dst[i] = float32(d*float32(q&15)) + m
		dst[i+16] = float32(d*float32(q>>4)) + m
	}
}

// In the 5-bit formats bit i of a 32-bit word is the fifth bit of element i.

func decodeQ5_0(src []byte, dst []float32) {
	d, high := half(src), binary.LittleEndian.Uint32(src[2:])
	for i, q := range src[6:22] {
		dst[i] = d * float32(int(q&15)+int(high>>i&1)*16-16)
		dst[i+16] = d * float32(int(q>>4)+int(high>>(i+16)&1)*16-16)
	}
}

func decodeQ5_1(src []byte, dst []float32) {
	d, m, high := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:])
	for i, q := range src[8:24] {
		dst[i] = float32(d*float32(int(q&15)+int(high>>i&1)*16)) + m
		dst[i+16] = float32(d*float32(int(q>>4)+int(high>>(i+16)&1)*16)) + m
	}
}

func decodeQ8_0(src []byte, dst []float32) {
	d := half(src)
	for i, q := range src[2:34] {
		dst[i] = d * float32(int8(q))
	}
}
