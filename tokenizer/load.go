package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// config is what the files beside a tokenizer say about the tokens that begin and end sequences.
type config struct {
	addBOS   *bool
	bos, eos string // contents, "" where unknown
	// From the model's config.json, where the tokenizer's own files say nothing; -1 where unknown.
	bosID, eosID *int32
}

// Load reads the tokenizer of a model directory: tokenizer.json, else tokenizer.model (sentencepiece). What begins and ends
// sequences comes from tokenizer_config.json, special_tokens_map.json and config.json where they are. The error wraps
// fs.ErrNotExist if there is no tokenizer in dir.
func Load(dir string) (*Tokenizer, error) {
	conf, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "tokenizer.json")
	data, err := os.ReadFile(path)
	if err == nil {
		var file fileJSON
		if err := strict(data, "tokenizer.json", &file); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		t, err := file.build(conf)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return t, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	path = filepath.Join(dir, "tokenizer.model")
	data, err = os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tokenizer: neither tokenizer.json nor tokenizer.model in %s: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	t, err := fromSentencePiece(data, conf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := checkAddedTokens(filepath.Join(dir, "added_tokens.json"), t); err != nil {
		return nil, err
	}
	return t, nil
}

// checkAddedTokens refuses tokens that were added beside a sentencepiece model: how they match is not in its files.
func checkAddedTokens(path string, t *Tokenizer) error {
	var added map[string]int32
	if err := readJSON(path, &added); err != nil {
		return err
	}
	for token, id := range added {
		if have, ok := t.ids[token]; !ok || have != id {
			return fmt.Errorf("%s: %w", path, unsupportedf("token %q (id %d) is not in tokenizer.model; convert the tokenizer to tokenizer.json", token, id))
		}
	}
	return nil
}

// contentJSON is a special token in the configuration files: a string, an object with its content, or null.
type contentJSON string

func (c *contentJSON) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*c = contentJSON(text)
		return nil
	}
	var object struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	*c = contentJSON(object.Content)
	return nil
}

// idJSON is a token id in config.json: a number, a list whose first counts, or null.
type idJSON struct{ id *int32 }

func (j *idJSON) UnmarshalJSON(data []byte) error {
	var list []int32
	if json.Unmarshal(data, &list) == nil {
		if len(list) > 0 {
			j.id = &list[0]
		}
		return nil
	}
	return json.Unmarshal(data, &j.id)
}

func readConfig(dir string) (config, error) {
	var tokens, special struct {
		AddBOS *bool       `json:"add_bos_token"`
		BOS    contentJSON `json:"bos_token"`
		EOS    contentJSON `json:"eos_token"`
	}
	var model struct {
		BOS idJSON `json:"bos_token_id"`
		EOS idJSON `json:"eos_token_id"`
	}
	for name, into := range map[string]any{"tokenizer_config.json": &tokens, "special_tokens_map.json": &special, "config.json": &model} {
		if err := readJSON(filepath.Join(dir, name), into); err != nil {
			return config{}, err
		}
	}
	conf := config{addBOS: tokens.AddBOS, bos: string(tokens.BOS), eos: string(tokens.EOS), bosID: model.BOS.id, eosID: model.EOS.id}
	if conf.bos == "" {
		conf.bos = string(special.BOS)
	}
	if conf.eos == "" {
		conf.eos = string(special.EOS)
	}
	return conf, nil
}

// readJSON leaves into as it is if there is no such file.
func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, malformedf("%v", err))
	}
	return nil
}

// resolve finds the marker that a configuration names by content or else by id.
func (t *Tokenizer) resolve(what, content string, id *int32) (marker, error) {
	if content != "" {
		found, ok := t.ids[content]
		if !ok {
			return marker{}, malformedf("the %s token %q is not in the vocabulary", what, content)
		}
		return marker{id: found, known: true}, nil
	}
	if id != nil && *id >= 0 {
		if int(*id) >= t.size {
			return marker{}, malformedf("the %s token has the id %d, and the vocabulary ends at %d", what, *id, t.size-1)
		}
		return marker{id: *id, known: true}, nil
	}
	return marker{}, nil
}

// markers decides about BOS and EOS: tokenizer_config.json's add_bos_token is the last word where it is given, as for
// Hugging Face's Llama and Gemma tokenizers, else the post-processor.
func (f *fileJSON) markers(t *Tokenizer, conf config) error {
	var err error
	if t.eos, err = t.resolve("eos", conf.eos, conf.eosID); err != nil {
		return err
	}
	if t.bos, err = t.resolve("bos", conf.bos, conf.bosID); err != nil {
		return err
	}
	begins, err := postProcessorBOS(f.PostProcessor)
	if err != nil {
		return err
	}
	if begins != "" {
		id, ok := t.ids[begins]
		if !ok {
			return malformedf("the post-processor's token %q is not in the vocabulary", begins)
		}
		if !t.bos.known || conf.addBOS == nil {
			t.bos = marker{id: id, known: true}
		}
		t.bos.add = true
	}
	if conf.addBOS != nil {
		if *conf.addBOS && !t.bos.known {
			return malformedf("add_bos_token is set, and there is no bos_token")
		}
		t.bos.add = *conf.addBOS
	}
	return nil
}

// postProcessorBOS returns the token that the post-processor puts before a single sequence, or "".
func postProcessorBOS(raw json.RawMessage) (string, error) {
	kind, err := componentType(raw, "post_processor")
	if err != nil {
		return "", err
	}
	switch kind {
	case "", "ByteLevel": // about offsets
		return "", nil
	case "Sequence":
		var spec struct{ Processors []json.RawMessage }
		if err := json.Unmarshal(raw, &spec); err != nil {
			return "", malformedf("post_processor: %v", err)
		}
		found := ""
		for _, part := range spec.Processors {
			begins, err := postProcessorBOS(part)
			if err != nil {
				return "", err
			}
			if begins != "" && found != "" {
				return "", unsupportedf("post_processor that begins sequences with both %q and %q", found, begins)
			}
			found += begins
		}
		return found, nil
	case "TemplateProcessing":
		var spec struct {
			Single []struct {
				SpecialToken *struct{ ID string }
				Sequence     *struct{ ID string }
			}
		}
		if err := json.Unmarshal(raw, &spec); err != nil {
			return "", malformedf("post_processor: %v", err)
		}
		found := ""
		for _, part := range spec.Single {
			if part.Sequence != nil {
				break
			}
			if part.SpecialToken == nil || found != "" {
				return "", unsupportedf("post_processor TemplateProcessing with more than one token before the sequence")
			}
			found = part.SpecialToken.ID
		}
		return found, nil
	}
	return "", unsupportedf("post_processor %q", kind)
}
