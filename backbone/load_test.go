package backbone_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lsat/backbone"
	"lsat/catalog"
)

// families are the tiny models in testdata.
var families = []string{"llama", "llama3", "mistral", "qwen2", "qwen2-yarn", "qwen3", "gemma3"}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func equal(a, b []int32) bool { return slices.Equal(a, b) }

// load loads a model for the length of a test. The tiny models have no tokenizer.
func load(t *testing.T, path string) *backbone.Model {
	t.Helper()
	tiny := filepath.Dir(path) == "testdata"
	m, err := backbone.Load(context.Background(), path, backbone.Options{NoTokenizer: tiny})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// pulled finds a model where lsat pull puts it, or skips the test.
func pulled(t *testing.T, name string) string {
	t.Helper()
	found, err := catalog.Find(name, "")
	if err != nil {
		t.Skip(err)
	}
	return found.Path
}

func float32s(t *testing.T, w backbone.Weight) []float32 {
	t.Helper()
	width := map[backbone.DType]int{backbone.F32: 4, backbone.BF16: 2, backbone.F16: 2}[w.DType]
	n := 1
	for _, d := range w.Shape {
		n *= d
	}
	data, err := w.Rows(0, w.Shape[0])
	if err != nil || len(data) != n*width {
		t.Fatalf("%d bytes for shape %v: %v", len(data), w.Shape, err)
	}
	out := make([]float32, n)
	for i := range out {
		switch w.DType {
		case backbone.F32:
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		case backbone.BF16:
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[2*i:])) << 16)
		default: // the tiny models' numbers are normal in float16
			h := uint32(binary.LittleEndian.Uint16(data[2*i:]))
			if h&0x7fff != 0 {
				out[i] = math.Float32frombits(h>>15<<31 | (h>>10&31+112)<<23 | h&1023<<13)
			}
		}
	}
	return out
}

// The same model from GGUF and from safetensors has the same weights, to the bit: the rows of q and k turned back, Gemma's norms without
// their 1, whatever the element types.
func TestGGUFEqualsSafetensors(t *testing.T) {
	for _, family := range []string{"llama", "llama3", "qwen2", "qwen3", "gemma3"} {
		t.Run(family, func(t *testing.T) {
			a, b := load(t, filepath.Join("testdata", family)), load(t, filepath.Join("testdata", family+".gguf"))
			if len(a.Weights) != len(b.Weights) {
				t.Errorf("%d tensors in safetensors, %d in GGUF", len(a.Weights), len(b.Weights))
			}
			for name, w := range a.Weights {
				v, ok := b.Weights[name]
				if !ok || !slices.Equal(v.Shape, w.Shape) {
					t.Fatalf("%s is %v in safetensors, %v in GGUF", name, w.Shape, v.Shape)
				}
				x, y := float32s(t, w), float32s(t, v)
				if i := firstDifference(x, y); i >= 0 {
					t.Errorf("%s: element %d is %v in safetensors, %v in GGUF", name, i, x[i], y[i])
				}
			}
			compareConfigs(t, a.Config, b.Config)
		})
	}
}

func firstDifference(x, y []float32) int {
	for i := range x {
		if x[i] != y[i] {
			return i
		}
	}
	return -1
}

func compareConfigs(t *testing.T, a, b backbone.Config) {
	t.Helper()
	near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-6*math.Abs(x) } // GGUF numbers are float32
	if !near(a.NormEps, b.NormEps) || !near(a.RopeBase, b.RopeBase) || a.RopeLocalBase != b.RopeLocalBase {
		t.Errorf("epsilon and rotary bases %v %v %v, in GGUF %v %v %v", a.NormEps, a.RopeBase, a.RopeLocalBase, b.NormEps, b.RopeBase, b.RopeLocalBase)
	}
	if (a.RopeScaling == nil) != (b.RopeScaling == nil) {
		t.Fatalf("rope scaling %+v, in GGUF %+v", a.RopeScaling, b.RopeScaling)
	}
	x, y := a.RopeScaling.RotaryFactors(a.HeadDim, a.RopeBase), b.RopeScaling.RotaryFactors(b.HeadDim, b.RopeBase)
	for i := range x {
		if !near(x[i], y[i]) {
			t.Errorf("rotary factor %d is %v, in GGUF %v", i, x[i], y[i])
		}
	}
	if !slices.Equal(a.SlidingLayers, b.SlidingLayers) {
		t.Errorf("sliding layers %v, in GGUF %v", a.SlidingLayers, b.SlidingLayers)
	}
	for _, c := range []*backbone.Config{&a, &b} {
		c.NormEps, c.RopeBase, c.RopeScaling, c.SlidingLayers = 0, 0, nil, nil
		c.QueryScale = 0 // GGUF files have none
	}
	if x, y := mustJSON(t, a), mustJSON(t, b); x != y {
		t.Errorf("configuration\n%s, in GGUF\n%s", x, y)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// copyModel copies a model's files to a new directory and returns it.
func copyModel(t *testing.T, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(p)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestHash(t *testing.T) {
	sum := func(paths ...string) string {
		h := sha256.New()
		for _, p := range paths {
			data, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			h.Write(data)
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	if got, want := load(t, filepath.Join("testdata", "qwen2.gguf")).Hash, sum(filepath.Join("testdata", "qwen2.gguf")); got != want {
		t.Errorf("hash of a GGUF file %s, its SHA-256 is %s", got, want)
	}
	dir := filepath.Join("testdata", "mistral")
	want := sum(filepath.Join(dir, "config.json"), filepath.Join(dir, "model-00001-of-00003.safetensors"),
		filepath.Join(dir, "model-00002-of-00003.safetensors"), filepath.Join(dir, "model-00003-of-00003.safetensors"))
	m := load(t, dir)
	if m.Hash != want {
		t.Errorf("hash %s, want %s", m.Hash, want)
	}
	if m.Name != dir {
		t.Errorf("name %q", m.Name)
	}
	// One changed bit of a weight is another model, wherever it lies.
	dir = copyModel(t, files(t, dir)...)
	edit(t, filepath.Join(dir, "model-00002-of-00003.safetensors"), func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	other, err := backbone.Load(context.Background(), dir, backbone.Options{NoTokenizer: true, Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if other.Hash == want || other.Name != "other" {
		t.Errorf("changed model %q has hash %s", other.Name, other.Hash)
	}
}

func TestLoadFindsModels(t *testing.T) {
	opts := backbone.Options{NoTokenizer: true}
	ctx := context.Background()
	dir := copyModel(t, filepath.Join("testdata", "qwen2.gguf"))
	m, err := backbone.Load(ctx, dir, opts)
	if err != nil {
		t.Fatalf("a directory with one GGUF file: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	// A lone weight file by another name.
	other := copyModel(t, files(t, filepath.Join("testdata", "llama"))...)
	if err := os.Rename(filepath.Join(other, "model.safetensors"), filepath.Join(other, "weights[1].safetensors")); err != nil {
		t.Fatal(err)
	}
	if m, err = backbone.Load(ctx, other, opts); err != nil {
		t.Errorf("a lone weight file: %v", err)
	}
	_ = m.Close()

	two := copyModel(t, filepath.Join("testdata", "qwen2.gguf"), filepath.Join("testdata", "llama.gguf"))
	if _, err := backbone.Load(ctx, two, opts); !errors.Is(err, backbone.ErrNoModel) || !strings.Contains(err.Error(), "qwen2.gguf") {
		t.Errorf("two GGUF files: %v", err)
	}
	if _, err := backbone.Load(ctx, t.TempDir(), opts); !errors.Is(err, backbone.ErrNoModel) {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := backbone.Load(ctx, filepath.Join("testdata", "llama", "config.json"), opts); !errors.Is(err, backbone.ErrNoModel) {
		t.Errorf("a file that is no model: %v", err)
	}
	if _, err := backbone.Load(ctx, filepath.Join("testdata", "nothing"), opts); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := backbone.Load(done, dir, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled load: %v", err)
	}
}

// Peek tells the configuration.
func TestPeekAgreesWithLoad(t *testing.T) {
	var paths []string
	for _, f := range families {
		for _, path := range []string{filepath.Join("testdata", f), filepath.Join("testdata", f+".gguf")} {
			if exists(path) {
				paths = append(paths, path)
			}
		}
	}
	for _, path := range paths {
		c, err := backbone.Peek(path)
		if err != nil {
			t.Fatal(err)
		}
		m := load(t, path)
		if !reflect.DeepEqual(c, m.Config) {
			t.Errorf("%s: %+v, Load says %+v", path, c, m.Config)
		}
		shapes := c.Shapes()
		for name, w := range m.Weights {
			if !slices.Equal(shapes[name], w.Shape) {
				t.Errorf("%s: Shapes has %s as %v, it is %v", path, name, shapes[name], w.Shape)
			}
			before := float32s(t, w)
			if w.Release(); !slices.Equal(before, float32s(t, w)) {
				t.Errorf("%s: %s is another after Release", path, name)
			}
			if n := w.Shape[0]; n > 1 { // any rows are those of the whole
				part, err := w.Rows(1, n)
				whole, err2 := w.Rows(0, n)
				if err != nil || err2 != nil || !bytes.HasSuffix(whole, part) || len(part) != len(whole)/n*(n-1) {
					t.Errorf("%s: rows 1 to %d of %s are not those of the whole: %v, %v", path, n, name, err, err2)
				}
			}
		}
		if len(shapes) != len(m.Weights) {
			t.Errorf("%s: %d weights, Load has %d", path, len(shapes), len(m.Weights))
		}
	}
	if len(paths) < 8 {
		t.Fatalf("only %d models", len(paths))
	}
	for path, want := range map[string]error{filepath.Join("testdata", "absent"): fs.ErrNotExist, t.TempDir(): backbone.ErrNoModel} {
		if _, err := backbone.Peek(path); !errors.Is(err, want) {
			t.Errorf("Peek(%s): %v", path, err)
		}
	}
}
