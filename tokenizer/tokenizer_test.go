package tokenizer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestBOSAndEOS(t *testing.T) {
	for name, want := range map[string]struct {
		bos string
		add bool
		eos string
	}{
		"gpt2": {}, "qwen2": {}, "llama3": {bos: "<|begin_of_text|>", add: true}, "llama2": {bos: "<s>", add: true},
		"gemma3": {bos: "<bos>", add: true}, "sp-llama": {bos: "<s>", add: true, eos: "</s>"},
		"smollm2-tokenizer": {bos: "<|im_start|>", eos: "<|im_end|>"}, "tinystories-656k": {bos: "<|start_story|>", add: true, eos: "<|end_story|>"},
		"llama2-tokenizer": {bos: "<s>", add: true, eos: "</s>"},
	} {
		t.Run(name, func(t *testing.T) {
			tok := open(t, name)
			check := func(what, content string, id int32) {
				if content == "" && id != -1 {
					t.Errorf("%s is %d, want none", what, id)
				}
				if want, _ := tok.ID(content); content != "" && id != want {
					t.Errorf("%s is %d, want %d", what, id, want)
				}
			}
			bos, add := tok.BOS()
			check("BOS", want.bos, bos)
			if add != want.add {
				t.Errorf("BOS wanted: %t", add)
			}
			eos, known := tok.EOS()
			check("EOS", want.eos, eos)
			if known != (want.eos != "") {
				t.Errorf("EOS known: %t", known)
			}
		})
	}
}

// directory makes a model directory of testdata files and texts.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, from := range files {
		data := []byte(from)
		if copied, ok := strings.CutPrefix(from, "testdata:"); ok {
			var err error
			if data, err = os.ReadFile(filepath.Join("testdata", copied)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		bos   string
		add   bool
		eos   string
	}{
		"config tells ids": {map[string]string{"tokenizer.json": "testdata:llama2.tokenizer.json", "config.json": `{"bos_token_id": 1, "eos_token_id": [2, 0]}`}, "<s>", true, "</s>"},
		"add_bos_token false": {map[string]string{"tokenizer.json": "testdata:llama2.tokenizer.json",
			"tokenizer_config.json": `{"add_bos_token": false, "bos_token": "<s>", "eos_token": {"content": "</s>"}}`}, "<s>", false, "</s>"},
		"add_bos_token true": {map[string]string{"tokenizer.json": "testdata:qwen2.tokenizer.json",
			"tokenizer_config.json": `{"add_bos_token": true, "bos_token": "<|im_start|>"}`}, "<|im_start|>", true, ""},
		"special tokens map": {map[string]string{"tokenizer.json": "testdata:qwen2.tokenizer.json", "tokenizer_config.json": `{"bos_token": null}`,
			"special_tokens_map.json": `{"eos_token": "<|im_end|>"}`}, "", false, "<|im_end|>"},
		"sentencepiece": {map[string]string{"tokenizer.model": "testdata:sp-llama.model", "tokenizer_config.json": `{"add_bos_token": false}`}, "<s>", false, "</s>"},
	} {
		t.Run(name, func(t *testing.T) {
			tok, err := Load(directory(t, c.files))
			if err != nil {
				t.Fatal(err)
			}
			wantID := func(token string) int32 {
				if id, ok := tok.ID(token); ok {
					return id
				}
				return -1
			}
			if bos, add := tok.BOS(); bos != wantID(c.bos) || add != c.add {
				t.Errorf("BOS is %d, %t, want %q, %t", bos, add, c.bos, c.add)
			}
			if eos, _ := tok.EOS(); eos != wantID(c.eos) {
				t.Errorf("EOS is %d, want %q", eos, c.eos)
			}
		})
	}
}

func TestLoadFaults(t *testing.T) {
	if _, err := Load(t.TempDir()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "tokenizer.model") {
		t.Errorf("an empty directory gives %v", err)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  error
		says  string
	}{
		"cut short":       {map[string]string{"tokenizer.json": `{"version": "1.0", "mod`}, ErrMalformed, "tokenizer.json"},
		"foreign BOS":     {map[string]string{"tokenizer.json": "testdata:gpt2.tokenizer.json", "tokenizer_config.json": `{"bos_token": "<s>x"}`}, ErrMalformed, "<s>x"},
		"foreign EOS id":  {map[string]string{"tokenizer.json": "testdata:gpt2.tokenizer.json", "config.json": `{"eos_token_id": 128001}`}, ErrMalformed, "128001"},
		"BOS without one": {map[string]string{"tokenizer.json": "testdata:gpt2.tokenizer.json", "tokenizer_config.json": `{"add_bos_token": true}`}, ErrMalformed, "add_bos_token"},
		"broken config":   {map[string]string{"tokenizer.json": "testdata:gpt2.tokenizer.json", "tokenizer_config.json": `{`}, ErrMalformed, "tokenizer_config.json"},
		"added beside sentencepiece": {map[string]string{"tokenizer.model": "testdata:sp-llama.model", "added_tokens.json": `{"<pad>": 32000}`},
			ErrUnsupported, "<pad>"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(directory(t, c.files))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

// TestUnsupportedIsNamed: what a tokenizer.json asks for is done, or its error names it.
func TestUnsupportedIsNamed(t *testing.T) {
	split := func(regex string) map[string]any {
		return map[string]any{"pre_tokenizer": map[string]any{"type": "Split", "pattern": map[string]any{"Regex": regex}, "behavior": "Isolated", "invert": false}}
	}
	component := func(part, kind string) map[string]any { return map[string]any{part: map[string]any{"type": kind}} }
	for name, c := range map[string]struct {
		set  map[string]any
		want error
		says string
	}{
		"model":             {map[string]any{"model.type": "Unigram"}, ErrUnsupported, "Unigram"},
		"normalizer":        {component("normalizer", "BertNormalizer"), ErrUnsupported, "BertNormalizer"},
		"pre-tokenizer":     {component("pre_tokenizer", "Punctuation"), ErrUnsupported, "Punctuation"},
		"decoder":           {component("decoder", "WordPiece"), ErrUnsupported, "WordPiece"},
		"post-processor":    {component("post_processor", "BertProcessing"), ErrUnsupported, "BertProcessing"},
		"no type":           {component("normalizer", ""), ErrMalformed, "normalizer"},
		"version":           {map[string]any{"version": "2.0"}, ErrUnsupported, "2.0"},
		"field":             {map[string]any{"model.novelty": 1}, ErrUnsupported, "novelty"},
		"top field":         {map[string]any{"novelty": 1}, ErrUnsupported, "novelty"},
		"component's field": {map[string]any{"pre_tokenizer.novelty": 1}, ErrUnsupported, "novelty"},
		"dropout":           {map[string]any{"model.dropout": 0.1}, ErrUnsupported, "dropout"},
		"prefix":            {map[string]any{"model.continuing_subword_prefix": "##"}, ErrUnsupported, "##"},
		"suffix":            {map[string]any{"model.end_of_word_suffix": "</w>"}, ErrUnsupported, "</w>"},
		"lookbehind":        {split(`(?<=a)b`), ErrUnsupported, "(?<=a)b"},
		"anchor":            {split(`^a`), ErrUnsupported, "^a"},
		"script":            {split(`\p{Han}+`), ErrUnsupported, "Han"},
		"intersection":      {split(`[a-z&&[aeiou]]`), ErrUnsupported, "&&"},
		"repeated group":    {split(`(?:ab)+`), ErrUnsupported, "(?:ab)+"},
		"unclosed group":    {split(`(ab`), ErrUnsupported, "(ab"},
		"unclosed class":    {split(`[ab`), ErrUnsupported, "[ab"},
		"stray parenthesis": {split(`ab)`), ErrUnsupported, "ab)"},
		"lone backslash":    {split(`ab\`), ErrUnsupported, "ab"},
		"no vocabulary":     {map[string]any{"model.vocab": map[string]any{}}, ErrMalformed, "vocabulary"},
		"negative id":       {map[string]any{"model.vocab.a": -1}, ErrMalformed, "-1"},
		"huge id":           {map[string]any{"model.vocab.a": 1 << 30}, ErrMalformed, "1073741824"},
		"id twice":          {map[string]any{"model.vocab.a": 300}, ErrMalformed, "300"},
		"foreign merge":     {map[string]any{"model.merges": []any{"qqqq zzzz"}}, ErrMalformed, "qqqq"},
		"merge of three":    {map[string]any{"model.merges": []any{"a b c"}}, ErrMalformed, "a b c"},
		"no model":          {map[string]any{"model": absent}, ErrUnsupported, "model"},
		"template of two":   {map[string]any{"post_processor": map[string]any{"type": "TemplateProcessing", "single": []any{map[string]any{"SpecialToken": map[string]any{"id": "a"}}, map[string]any{"SpecialToken": map[string]any{"id": "b"}}}}}, ErrUnsupported, "TemplateProcessing"},
		"unknown token":     {map[string]any{"model.unk_token": "<none>", "model.vocab": map[string]any{"a": 0}, "model.merges": []any{}, "added_tokens": []any{}}, ErrMalformed, "<none>"},
		"added id":          {map[string]any{"added_tokens": []any{map[string]any{"id": 5, "content": "<|endoftext|>", "special": true}}}, ErrMalformed, "<|endoftext|>"},
		"empty added token": {map[string]any{"added_tokens": []any{map[string]any{"id": 5000, "content": ""}}}, ErrMalformed, "5000"},
		"prepend_scheme":    {map[string]any{"pre_tokenizer": map[string]any{"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}}, ErrUnsupported, "last"},
		"Metaspace of two":  {map[string]any{"pre_tokenizer": map[string]any{"type": "Metaspace", "replacement": "__"}}, ErrMalformed, "__"},
		"Split's behavior":  {map[string]any{"pre_tokenizer": map[string]any{"type": "Split", "pattern": map[string]any{"String": "a"}, "behavior": "Lost", "invert": false}}, ErrUnsupported, "Lost"},
		"empty Split":       {map[string]any{"pre_tokenizer": map[string]any{"type": "Split", "pattern": map[string]any{"String": ""}, "behavior": "Removed", "invert": false}}, ErrUnsupported, "Split"},
		"foreign BOS":       {map[string]any{"post_processor": map[string]any{"type": "TemplateProcessing", "single": []any{map[string]any{"SpecialToken": map[string]any{"id": "<none>"}}}}}, ErrMalformed, "<none>"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromJSON(changed(t, "gpt2", c.set))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

func TestSentencePieceFaults(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "sp-rules.model"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 5, len(data) / 3, len(data) - 1} {
		if _, err := FromSentencePiece(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes load", n, len(data))
		}
	}
	// type: unigram, in the trainer_spec appended as a second one, which protocol buffers merge into the first.
	if _, err := FromSentencePiece(append(slices.Clone(data), 0x12, 2, 3<<3, 1)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a unigram model gives %v", err)
	}
}

func TestHash(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"gpt2", "llama3", "qwen2", "llama2", "mistral", "gemma3", "sp-llama", "sp-rules", "sp-across"} {
		hash := open(t, name).Hash()
		if len(hash) != 64 || hash != open(t, name).Hash() {
			t.Errorf("%s: hash %q", name, hash)
		}
		if seen[hash] != "" {
			t.Errorf("%s and %s have the same hash", name, seen[hash])
		}
		seen[hash] = name
	}
	var variants map[string]goldenVariant
	mustUnmarshal("variants.json", &variants)
	for name, v := range variants {
		tok, err := FromJSON(changed(t, v.Base, v.Set))
		if err != nil {
			t.Fatal(err)
		}
		if name != "no-decoder" && seen[tok.Hash()] != "" {
			t.Errorf("%s and %s have the same hash", name, seen[tok.Hash()])
		}
		seen[tok.Hash()] = name
	}
	same, err := FromJSON(changed(t, "gpt2", map[string]any{"truncation": map[string]any{"max_length": 5}, "pre_tokenizer.trim_offsets": false}))
	if err != nil {
		t.Fatal(err)
	}
	if same.Hash() != open(t, "gpt2").Hash() {
		t.Error("what does not decide about ids changes the hash")
	}
}

func TestVocabulary(t *testing.T) {
	tok := open(t, "llama3")
	id, ok := tok.ID("<|eot_id|>")
	if !ok || int(id) != tok.VocabSize()-1 {
		t.Errorf("the last added token is %d, %t of %d", id, ok, tok.VocabSize())
	}
	if _, ok := tok.ID("no such token"); ok {
		t.Error("a token that is not there has an id")
	}
	if got := tok.Decode([]int32{-1, 1 << 30, id, int32(tok.VocabSize())}); got != "<|eot_id|>" {
		t.Errorf("ids outside of the vocabulary decode to %q", got)
	}
	if got := open(t, "sp-llama").Decode([]int32{-1, 1 << 30}); got != "" {
		t.Errorf("ids outside of the vocabulary decode to %q", got)
	}
}

func TestTextNeverBecomesSpecial(t *testing.T) {
	for name, want := range map[string]string{"llama3": "<|eot_id|>", "qwen2": "<|im_end|>", "llama2": "</s>", "gemma3": "<end_of_turn>", "sp-llama": "</s>"} {
		tok := open(t, name)
		id, ok := tok.ID(want)
		if !ok {
			t.Fatalf("%s has no %s", name, want)
		}
		for _, text := range []string{want, "x" + want + want, " " + want + "\n"} {
			if slices.Contains(tok.Encode(text), id) {
				t.Errorf("%s: Encode(%q) holds the special id", name, text)
			}
			if !slices.Contains(tok.EncodeSpecial(text), id) {
				t.Errorf("%s: EncodeSpecial(%q) lacks the special id", name, text)
			}
		}
	}
}

func TestInvalidUTF8(t *testing.T) {
	tok := open(t, "llama3")
	for text, want := range map[string]string{
		"a\xffb": "a\uFFFDb", "\xe2\x82": "\uFFFD", "\xe2\x82\xe2\x82\xac": "\uFFFD€", "\xed\xa0\x80": "\uFFFD\uFFFD\uFFFD", "\xf0\x9f\x98": "\uFFFD",
		"\xc0\xaf": "\uFFFD\uFFFD", "\xf4\x90\x80\x80": "\uFFFD\uFFFD\uFFFD\uFFFD", "\x80": "\uFFFD", "\xf1\x80\x41": "\uFFFDA", "\xe0\x80": "\uFFFD\uFFFD",
	} { // as Python's bytes.decode("utf-8", "replace")
		if got := tok.Decode(tok.Encode(text)); got != want {
			t.Errorf("%q comes back as %q, want %q", text, got, want)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	for _, name := range []string{"qwen2", "sp-rules"} {
		tok := open(t, name)
		texts := readGolden().generate()[:1000]
		want := make([][]int32, len(texts))
		fresh := open(t, name)
		for i, text := range texts {
			want[i] = fresh.Encode(text)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i, text := range texts {
					ids := tok.Encode(text)
					if !slices.Equal(ids, want[i]) {
						t.Errorf("%s: Encode(%q) differs under concurrent use", name, text)
						return
					}
					for j := range ids { // the caller owns what it got
						ids[j] = -1
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestCacheKeepsWhatRepeats(t *testing.T) {
	var c wordCache
	c.put("often", []int32{7})
	for i := range 3 * cacheEntries {
		c.put(string(rune(0x10000+i%0x80000))+string(rune('a'+i%26)), nil)
		if i%1000 == 0 {
			if ids, ok := c.get("often"); !ok || ids[0] != 7 {
				t.Fatalf("lost after %d others", i)
			}
		}
	}
	if n := len(c.young) + len(c.old); n > 2*cacheEntries {
		t.Errorf("%d entries", n)
	}
}

func FuzzEncode(f *testing.F) {
	for _, text := range readGolden().Texts {
		f.Add(text)
	}
	f.Add("\xff\xfe\xe2\x82")
	exact := map[string]*Tokenizer{}
	other := map[string]*Tokenizer{}
	for name, into := range map[string]map[string]*Tokenizer{"gpt2": exact, "llama3": exact, "qwen2": other, "llama2": other, "mistral": other, "gemma3": other,
		"sp-llama": other, "sp-rules": other, "sp-across": other} {
		var err error
		var data []byte
		if strings.HasPrefix(name, "sp-") {
			if data, err = os.ReadFile(filepath.Join("testdata", name+".model")); err == nil {
				into[name], err = FromSentencePiece(data)
			}
		} else if data, err = os.ReadFile(filepath.Join("testdata", name+".tokenizer.json")); err == nil {
			into[name], err = FromJSON(data)
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, tok := range exact {
			if got := tok.Decode(tok.Encode(text)); got != toValidUTF8(text) {
				t.Errorf("%s: %q comes back as %q", name, text, got)
			}
			if got := tok.Decode(tok.EncodeSpecial(text)); got != toValidUTF8(text) {
				t.Errorf("%s: trusted %q comes back as %q", name, text, got)
			}
		}
		for name, tok := range other {
			for _, ids := range [][]int32{tok.Encode(text), tok.EncodeSpecial(text)} {
				for _, id := range ids {
					if id < 0 || int(id) >= tok.VocabSize() {
						t.Errorf("%s: %q gives the id %d", name, text, id)
					}
				}
				tok.Decode(ids)
			}
		}
	})
}

// FuzzFromSentencePiece and FuzzFromJSON: damaged files are errors, or tokenizers that work.
func FuzzFromSentencePiece(f *testing.F) {
	for _, name := range []string{"sp-llama", "sp-rules"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".model"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		if tok, err := FromSentencePiece(data); err == nil {
			tok.Decode(tok.EncodeSpecial("Some text, 12 \u2581 é <s> \U0001F600"))
		}
	})
}

func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(`{"version":"1.0","added_tokens":[{"id":3,"content":"<s>","special":true}],"normalizer":{"type":"NFKC"},` +
		`"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?i:'s)|\\s+(?!\\S)|[^a-c]{1,3}"},"behavior":"Isolated","invert":false},` +
		`"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","unk_token":null,"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`))
	f.Add([]byte(`{"normalizer":{"type":"Prepend","prepend":"_"},"pre_tokenizer":{"type":"Metaspace","replacement":"_"},"post_processor":` +
		`{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}}]},"decoder":{"type":"Strip","content":" ","start":1,"stop":1},` +
		`"model":{"type":"BPE","byte_fallback":true,"unk_token":"a","vocab":{"a":0,"<0x41>":1},"merges":[["a","a"]]}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if tok, err := FromJSON(data); err == nil {
			tok.Decode(tok.EncodeSpecial("aabbab Some text, 12 \u2581 é <s> \U0001F600"))
		}
	})
}
