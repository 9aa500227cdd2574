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
	if len(w.Bytes) != n*width {
		t.Fatalf("%d bytes for shape %v", len(w.Bytes), w.Shape)
	}
	out := make([]float32, n)
	for i := range out {
		switch w.DType {
		case backbone.F32:
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(w.Bytes[4*i:]))
		case backbone.BF16:
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(w.Bytes[2*i:])) << 16)
		default: // the tiny models' numbers are normal in float16
			h := uint32(binary.LittleEndian.Uint16(w.Bytes[2*i:]))
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

// Each error names the file, the tensor, and the shapes.
func TestLoadNamesWhatIsWrong(t *testing.T) {
	llama := files(t, filepath.Join("testdata", "llama"))
	mistral := files(t, filepath.Join("testdata", "mistral"))
	replace := func(old, now string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%q is not there", old)
			}
			return bytes.Replace(b, []byte(old), []byte(now), 1)
		}
	}
	cases := map[string]struct {
		from   []string
		file   string
		change func([]byte) []byte
		is     error
		says   []string
	}{
		"another architecture": {llama, "config.json", replace(`"model_type": "llama"`, `"model_type": "gpt2"`), backbone.ErrUnknownArchitecture, []string{"config.json", "gpt2"}},
		"tensor renamed": {llama, "model.safetensors", replace("layers.1.mlp.up_proj", "layers.1.mlp.up_prox"), backbone.ErrMissingTensor,
			[]string{"model.safetensors", "model.layers.1.mlp.up_proj.weight", "[48 32]"}},
		"one layer more": {llama, "config.json", replace(`"num_hidden_layers": 2`, `"num_hidden_layers": 3`), backbone.ErrMissingTensor, []string{"layers.2."}},
		"wider feed-forward": {llama, "config.json", replace(`"intermediate_size": 48`, `"intermediate_size": 64`), backbone.ErrTensorShape,
			[]string{"model.safetensors", "model.layers.0.mlp.gate_proj.weight", "[48 32]", "[64 32]"}},
		"other vocabulary": {llama, "config.json", replace(`"vocab_size": 96`, `"vocab_size": 100`), backbone.ErrTensorShape, []string{"embed", "[96 32]", "[100 32]"}},
		"shape turned":     {llama, "model.safetensors", replace("[32,48]", "[48,32]"), backbone.ErrTensorShape, []string{"down_proj", "[48 32]", "[32 48]"}},
		"integers":         {llama, "model.safetensors", replace(`"dtype":"F32"`, `"dtype":"I32"`), backbone.ErrUnsupported, []string{"I32"}},
		"cut off":          {llama, "model.safetensors", func(b []byte) []byte { return b[:len(b)-1] }, backbone.ErrTruncated, []string{"model.safetensors"}},
		"cut in header":    {llama, "model.safetensors", func(b []byte) []byte { return b[:100] }, backbone.ErrTruncated, []string{"model.safetensors"}},
		"empty":            {llama, "model.safetensors", func([]byte) []byte { return nil }, backbone.ErrTruncated, []string{"model.safetensors", "empty"}},
		"a web page":       {llama, "model.safetensors", func([]byte) []byte { return []byte("<!doctype html><html>404</html>") }, backbone.ErrFormat, []string{"model.safetensors"}},
		"bytes after":      {llama, "model.safetensors", func(b []byte) []byte { return append(b, 0) }, backbone.ErrFormat, []string{"model.safetensors"}},
		"config cut":       {llama, "config.json", func(b []byte) []byte { return b[:len(b)/2] }, backbone.ErrConfig, []string{"config.json"}},
		"shard cut":        {mistral, "model-00002-of-00003.safetensors", func(b []byte) []byte { return b[:len(b)-7] }, backbone.ErrTruncated, []string{"model-00002-of-00003"}},
		"shard outside":    {mistral, "model.safetensors.index.json", replace(`model-00002-of-00003.safetensors`, `../../etc/passwd`), backbone.ErrFormat, []string{"index.json", "passwd"}},
		"shard absent":     {mistral, "model.safetensors.index.json", replace(`model-00002-of-00003.safetensors`, `model-00009-of-00003.safetensors`), fs.ErrNotExist, []string{"model-00009"}},
		"index no JSON":    {mistral, "model.safetensors.index.json", func(b []byte) []byte { return b[1:] }, backbone.ErrFormat, []string{"index.json"}},
		"index empty":      {mistral, "model.safetensors.index.json", func([]byte) []byte { return []byte("{}") }, backbone.ErrFormat, []string{"weight_map"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := copyModel(t, c.from...)
			edit(t, filepath.Join(dir, c.file), c.change)
			check(t, dir, backbone.Options{NoTokenizer: true}, c.is, c.says)
		})
	}
}

func check(t *testing.T, path string, opts backbone.Options, is error, says []string) {
	t.Helper()
	m, err := backbone.Load(context.Background(), path, opts)
	if err == nil {
		_ = m.Close()
		t.Fatal("it loads")
	}
	if !errors.Is(err, is) {
		t.Errorf("error %q, want one with %q in its chain", err, is)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of several lines: %q", err)
	}
}

func TestLoadNamesWhatIsWrongInGGUF(t *testing.T) {
	replace := func(old, now string) func([]byte) []byte {
		if len(old) != len(now) {
			t.Fatalf("%q and %q: lengths stand in the file too", old, now)
		}
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%q is not there", old)
			}
			return bytes.ReplaceAll(b, []byte(old), []byte(now))
		}
	}
	// number replaces a uint32 of the metadata.
	number := func(key string, v uint32) func([]byte) []byte {
		return func(b []byte) []byte {
			at := bytes.Index(b, []byte(key))
			if at < 0 {
				t.Fatalf("%q is not there", key)
			}
			binary.LittleEndian.PutUint32(b[at+len(key)+4:], v)
			return b
		}
	}
	cases := map[string]struct {
		file   string
		change func([]byte) []byte
		is     error
		says   []string
	}{
		"another architecture": {"qwen2.gguf", replace("qwen2", "bloom"), backbone.ErrUnknownArchitecture, []string{"qwen2.gguf", "bloom"}},
		"tensor renamed": {"llama.gguf", replace("blk.1.ffn_up.weight", "blk.1.ffn_ux.weight"), backbone.ErrMissingTensor,
			[]string{"llama.gguf", "blk.1.ffn_up.weight", "layers.1.up", "[48 32]"}},
		"a layer more":       {"llama.gguf", number("llama.block_count", 3), backbone.ErrMissingTensor, []string{"blk.2."}},
		"endless layers":     {"llama.gguf", number("llama.block_count", math.MaxUint32), backbone.ErrConfig, []string{"block_count"}},
		"many layers":        {"llama.gguf", number("llama.block_count", 1<<20), backbone.ErrConfig, []string{"layers"}},
		"no heads":           {"llama.gguf", number("llama.attention.head_count", 0), backbone.ErrConfig, []string{"heads"}},
		"wider":              {"qwen2.gguf", number("qwen2.feed_forward_length", 64), backbone.ErrTensorShape, []string{"blk.0.ffn_gate.weight", "[48 32]", "[64 32]"}},
		"no embedding":       {"llama.gguf", replace("token_embd.weight", "token_embx.weight"), backbone.ErrMissingTensor, []string{"token_embd.weight", "[96 32]"}},
		"other vocabulary":   {"llama.gguf", number("llama.vocab_size", 97), backbone.ErrTensorShape, []string{"token_embd.weight", "96", "97"}},
		"rotary on a part":   {"llama.gguf", number("llama.rope.dimension_count", 4), backbone.ErrUnsupported, []string{"rotary"}},
		"rotary factors":     {"llama3.gguf", number("llama.attention.key_length", 32), backbone.ErrUnsupported, []string{"llama3.gguf"}},
		"unknown scaling":    {"gemma3.gguf", replace("linear", "nonlin"), backbone.ErrUnsupported, []string{"nonlin"}},
		"a missing number":   {"qwen3.gguf", replace("qwen3.block_count", "qwen3.block_coult"), backbone.ErrConfig, []string{"qwen3.block_count"}},
		"cut off":            {"qwen2.gguf", func(b []byte) []byte { return b[:len(b)-100] }, backbone.ErrTruncated, []string{"qwen2.gguf"}},
		"cut in header":      {"qwen2.gguf", func(b []byte) []byte { return b[:333] }, backbone.ErrTruncated, []string{"qwen2.gguf"}},
		"empty":              {"qwen2.gguf", func([]byte) []byte { return nil }, backbone.ErrTruncated, []string{"qwen2.gguf"}},
		"another format":     {"qwen2.gguf", func([]byte) []byte { return []byte("<!doctype html><html></html>") }, backbone.ErrFormat, []string{"qwen2.gguf"}},
		"norm of other size": {"gemma3.gguf", number("gemma3.embedding_length", 48), backbone.ErrTensorShape, []string{"[96 32]", "[96 48]"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := copyModel(t, filepath.Join("testdata", c.file))
			edit(t, filepath.Join(dir, c.file), c.change)
			check(t, filepath.Join(dir, c.file), backbone.Options{NoTokenizer: true}, c.is, c.says)
		})
	}
}

// A model cut off anywhere, or with any one byte changed, ends in an error or a model, and never in a panic.
func TestLoadSurvivesDamage(t *testing.T) {
	opts := backbone.Options{NoTokenizer: true, NoHash: true}
	for _, name := range []string{"llama3.gguf", "llama/model.safetensors"} {
		t.Run(name, func(t *testing.T) {
			source := filepath.Join("testdata", filepath.FromSlash(name))
			dir := copyModel(t, source)
			if !strings.HasSuffix(name, ".gguf") {
				dir = copyModel(t, files(t, filepath.Dir(source))...)
			}
			whole, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, filepath.Base(source))
			try := func(data []byte) error {
				if err := os.WriteFile(path, data, 0o644); err != nil {
					t.Fatal(err)
				}
				m, err := backbone.Load(context.Background(), dir, opts)
				if err != nil {
					return err
				}
				for _, w := range m.Weights { // every byte must be there
					_ = sha256.Sum256(w.Bytes)
				}
				return m.Close()
			}
			for n := 0; n < len(whole); n += 997 {
				if err := try(whole[:n]); !errors.Is(err, backbone.ErrTruncated) {
					t.Fatalf("the first %d of %d bytes: %v", n, len(whole), err)
				}
			}
			for at := 0; at < 4000; at += 7 {
				data := bytes.Clone(whole)
				data[at] ^= 0xff
				_ = try(data)
			}
		})
	}
}
