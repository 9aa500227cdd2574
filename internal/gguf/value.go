package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The tags of metadata values.
const (
	tagUint8 = iota
	tagInt8
	tagUint16
	tagInt16
	tagUint32
	tagInt32
	tagFloat32
	tagBool
	tagString
	tagArray
	tagUint64
	tagInt64
	tagFloat64
)

func (r *reader) value(tag uint32) any {
	switch tag {
	case tagString:
		return r.str()
	case tagArray:
		return r.array()
	}
	width, ok := widths[tag]
	if !ok {
		r.fail(fmt.Errorf("unknown value type %d", tag))
		return nil
	}
	b := r.take(width)
	if b == nil {
		return nil
	}
	switch tag {
	case tagUint8:
		return b[0]
	case tagInt8:
		return int8(b[0])
	case tagUint16:
		return binary.LittleEndian.Uint16(b)
	case tagInt16:
		return int16(binary.LittleEndian.Uint16(b))
	case tagUint32:
		return binary.LittleEndian.Uint32(b)
	case tagInt32:
		return int32(binary.LittleEndian.Uint32(b))
	case tagFloat32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case tagBool:
		return b[0] != 0
	case tagUint64:
		return binary.LittleEndian.Uint64(b)
	case tagInt64:
		return int64(binary.LittleEndian.Uint64(b))
	default:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
}

// widths are the bytes of the values of fixed size.
var widths = map[uint32]uint64{
	tagUint8: 1, tagInt8: 1, tagBool: 1, tagUint16: 2, tagInt16: 2, tagUint32: 4, tagInt32: 4, tagFloat32: 4,
	tagUint64: 8, tagInt64: 8, tagFloat64: 8,
}

func (r *reader) array() any {
	tag, n := r.u32(), r.u64()
	if r.err != nil {
		return nil
	}
	least := uint64(8) // a string's length
	if w, ok := widths[tag]; ok {
		least = w
	} else if tag != tagString {
		r.fail(fmt.Errorf("an array of value type %d", tag))
		return nil
	}
	// Before anything is allocated: the elements must fit in what is left of the file.
	if left := uint64(len(r.data) - r.at); n > left/least {
		r.fail(fmt.Errorf("%w: an array of %d elements in the last %d bytes", ErrTruncated, n, left))
		return nil
	}
	switch tag {
	case tagUint8:
		return fill[uint8](r, tag, n)
	case tagInt8:
		return fill[int8](r, tag, n)
	case tagUint16:
		return fill[uint16](r, tag, n)
	case tagInt16:
		return fill[int16](r, tag, n)
	case tagUint32:
		return fill[uint32](r, tag, n)
	case tagInt32:
		return fill[int32](r, tag, n)
	case tagFloat32:
		return fill[float32](r, tag, n)
	case tagBool:
		return fill[bool](r, tag, n)
	case tagString:
		return fill[string](r, tag, n)
	case tagUint64:
		return fill[uint64](r, tag, n)
	case tagInt64:
		return fill[int64](r, tag, n)
	default:
		return fill[float64](r, tag, n)
	}
}

func fill[T any](r *reader, tag uint32, n uint64) []T {
	out := make([]T, n)
	for i := range out {
		v, ok := r.value(tag).(T)
		if !ok {
			return nil
		}
		out[i] = v
	}
	return out
}

func asUint(v any) (uint64, bool) {
	switch n := v.(type) {
	case uint8:
		return uint64(n), true
	case uint16:
		return uint64(n), true
	case uint32:
		return uint64(n), true
	case uint64:
		return n, true
	case int8:
		return uint64(n), n >= 0
	case int16:
		return uint64(n), n >= 0
	case int32:
		return uint64(n), n >= 0
	case int64:
		return uint64(n), n >= 0
	}
	return 0, false
}

// Uint returns a whole number that is not negative, and whether the key has one.
func (f *File) Uint(key string) (uint64, bool) { return asUint(f.Meta[key]) }

// Float returns a number, and whether the key has one.
func (f *File) Float(key string) (float64, bool) {
	switch n := f.Meta[key].(type) {
	case float32:
		return float64(n), true
	case float64:
		return n, true
	}
	n, ok := f.Uint(key)
	return float64(n), ok
}

// Text returns a string, "" if the key has none.
func (f *File) Text(key string) string {
	s, _ := f.Meta[key].(string)
	return s
}

// Uints returns an array of whole numbers that are not negative, and whether the key has one.
func (f *File) Uints(key string) ([]uint64, bool) {
	switch s := f.Meta[key].(type) {
	case []uint32:
		return uints(s)
	case []int32:
		return uints(s)
	case []uint64:
		return uints(s)
	case []int64:
		return uints(s)
	}
	return nil, false
}

func uints[T uint32 | int32 | uint64 | int64](s []T) ([]uint64, bool) {
	out := make([]uint64, len(s))
	for i, v := range s {
		if v < 0 {
			return nil, false
		}
		out[i] = uint64(v)
	}
	return out, true
}
