package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func write(t *testing.T, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// file joins a header and n bytes of data.
func file(header string, n int) []byte {
	raw := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(raw, header...), make([]byte, n)...)
}

func TestRoundTrip(t *testing.T) {
	want := []Tensor{
		{"b", []int{2, 3}, []float32{1, -2.5, 3, float32(math.Copysign(0, -1)), float32(math.Inf(1)), 1e-45}},
		{"a/ü\"", []int{1}, []float32{7}},
		{"empty", []int{0, 4}, []float32{}},
		{"scalar", []int{}, []float32{9}},
	}
	var buf bytes.Buffer
	if err := Write(&buf, want, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	if n := binary.LittleEndian.Uint64(buf.Bytes()); n%8 != 0 {
		t.Errorf("data starts at byte %d, not aligned", n+8)
	}
	got, meta, err := ReadFile(write(t, buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || meta["format"] != "pt" {
		t.Errorf("got %v %v", got, meta)
	}
}

func TestWriteRefusesWhatDoesNotFit(t *testing.T) {
	for _, tensors := range [][]Tensor{
		{{"a", []int{2}, []float32{1}}},
		{{"a", []int{1}, []float32{1}}, {"a", []int{1}, []float32{1}}},
		{{"__metadata__", []int{1}, []float32{1}}},
	} {
		if err := Write(&bytes.Buffer{}, tensors, nil); err == nil {
			t.Errorf("%v was written", tensors)
		}
	}
}

// Every half-precision number, against the definition of the format.
func TestHalfPrecision(t *testing.T) {
	raw := make([]byte, 0, 1<<17)
	for h := range 1 << 16 {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(h))
	}
	half, err := Float32s("F16", raw)
	if err != nil {
		t.Fatal(err)
	}
	brain, err := Float32s("BF16", raw)
	if err != nil {
		t.Fatal(err)
	}
	value := func(h, expBits, fracBits int) float64 {
		bias := 1<<(expBits-1) - 1
		exp, frac := h>>fracBits&(1<<expBits-1), h&(1<<fracBits-1)
		v := math.Ldexp(float64(frac+1<<fracBits), exp-bias-fracBits)
		switch {
		case exp == 0:
			v = math.Ldexp(float64(frac), 1-bias-fracBits)
		case exp == 1<<expBits-1 && frac == 0:
			v = math.Inf(1)
		case exp == 1<<expBits-1:
			v = math.NaN()
		}
		if h>>15 == 1 {
			v = -v
		}
		return v
	}
	for h := range 1 << 16 {
		for _, c := range []struct {
			got  float32
			want float64
		}{{half[h], value(h, 5, 10)}, {brain[h], value(h, 8, 7)}} {
			if math.IsNaN(c.want) {
				if c.got == c.got {
					t.Fatalf("%#x: %v, want NaN", h, c.got)
				}
			} else if float64(c.got) != c.want || math.Signbit(float64(c.got)) != (h>>15 == 1) {
				t.Fatalf("%#x: %v, want %v", h, c.got, c.want)
			}
		}
	}
}

func TestHostileHeaders(t *testing.T) {
	one := func(fields string) []byte { return file(`{"a":{`+fields+`}}`, 8) }
	for name, c := range map[string]struct {
		raw  []byte
		says string
	}{
		"empty file":          {nil, "too few"},
		"seven bytes":         {make([]byte, 7), "too few"},
		"huge header":         {bytes.Repeat([]byte{255}, 64), "header of"},
		"header past the end": {file("{}", 0)[:9], "header of"},
		"not JSON":            {file("hello", 0), "JSON"},
		"a list":              {file("[]", 0), "JSON"},
		"JSON cut off":        {file(`{"a":{"dtype":"F32"`, 0), "tensor \"a\""},
		"text after":          {file("{} {}", 0), "after the JSON"},
		"data, no tensors":    {file("{}", 4), "4 bytes after"},
		"unknown type":        {one(`"dtype":"Q7","shape":[2],"data_offsets":[0,8]`), "Q7"},
		"type not read":       {one(`"dtype":"I64","shape":[1],"data_offsets":[0,8]`), "I64"},
		"negative axis":       {one(`"dtype":"F32","shape":[-2],"data_offsets":[0,8]`), "impossible"},
		"overflowing shape":   {one(`"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,8]`), "impossible"},
		"zero after overflow": {one(`"dtype":"F32","shape":[2147483647,2147483647,2147483647,0],"data_offsets":[0,0]`), "impossible"},
		"fractional axis":     {one(`"dtype":"F32","shape":[1.5],"data_offsets":[0,8]`), "tensor \"a\""},
		"shape too small":     {one(`"dtype":"F32","shape":[1],"data_offsets":[0,8]`), "needs 4 bytes"},
		"range reversed":      {one(`"dtype":"F32","shape":[2],"data_offsets":[8,0]`), "byte range"},
		"range negative":      {one(`"dtype":"F32","shape":[2],"data_offsets":[-8,0]`), "byte range"},
		"range past the end":  {one(`"dtype":"F32","shape":[4],"data_offsets":[0,16]`), "truncated"},
		"range near overflow": {one(`"dtype":"U8","shape":[0],"data_offsets":[9223372036854775807,9223372036854775807]`), "ends at"},
		"hole before":         {one(`"dtype":"F32","shape":[1],"data_offsets":[4,8]`), "starts at"},
		"hole after":          {one(`"dtype":"F32","shape":[1],"data_offsets":[0,4]`), "4 bytes after"},
		"overlap": {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
			"starts at"},
		"named twice": {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
			"twice"},
		"metadata of lists": {file(`{"__metadata__":{"a":[1]}}`, 0), "__metadata__"},
	} {
		_, _, err := ReadFile(write(t, c.raw))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, should say %q", name, err, c.says)
		} else if name != "type not read" && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v is not ErrFormat", name, err)
		}
	}
}

func FuzzReadFile(f *testing.F) {
	var buf bytes.Buffer
	if err := Write(&buf, []Tensor{{"a", []int{2}, []float32{1, 2}}}, map[string]string{"k": "v"}); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add(file(`{"a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}`, 8))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tensors, meta, err := ReadFile(write(t, raw))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, tensors, meta); err != nil {
			t.Fatalf("read but cannot be written: %v", err)
		}
	})
}
