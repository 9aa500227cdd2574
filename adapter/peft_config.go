package adapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// ErrUnsupported is in the chain of every error about a PEFT feature that changes what an adapter means and that is not supported.
var ErrUnsupported = errors.New("not supported")

// peftConfig is adapter_config.json as written: the fields that every PEFT since 0.9 knows, because older ones refuse to load
// fields that they do not know.
type peftConfig struct {
	AlphaPattern      map[string]float64 `json:"alpha_pattern"`
	AutoMapping       any                `json:"auto_mapping"`
	Base              string             `json:"base_model_name_or_path"`
	Bias              string             `json:"bias"`
	FanInFanOut       bool               `json:"fan_in_fan_out"`
	InferenceMode     bool               `json:"inference_mode"`
	InitLoraWeights   bool               `json:"init_lora_weights"`
	LayerReplication  any                `json:"layer_replication"`
	LayersPattern     any                `json:"layers_pattern"`
	LayersToTransform []int              `json:"layers_to_transform"`
	LoftqConfig       struct{}           `json:"loftq_config"`
	LoraAlpha         float64            `json:"lora_alpha"`
	LoraDropout       float64            `json:"lora_dropout"`
	MegatronConfig    any                `json:"megatron_config"`
	MegatronCore      string             `json:"megatron_core"`
	ModulesToSave     any                `json:"modules_to_save"`
	PeftType          string             `json:"peft_type"`
	R                 int                `json:"r"`
	RankPattern       map[string]int     `json:"rank_pattern"`
	Revision          any                `json:"revision"`
	TargetModules     []string           `json:"target_modules"`
	TaskType          string             `json:"task_type"`
	UseDora           bool               `json:"use_dora"`
	UseRSLora         bool               `json:"use_rslora"`
}

// newPEFTConfig describes an adapter. Where every adapted layer has the same modules, they are named with the layers; otherwise each
// projection is named by its path.
func newPEFTConfig(a *Adapter) peftConfig {
	cfg := a.Config.WithDefaults()
	p := peftConfig{
		AlphaPattern: map[string]float64{}, RankPattern: map[string]int{}, Base: a.Base, Bias: "none", InferenceMode: true, InitLoraWeights: true,
		LoraAlpha: cfg.Alpha, LoraDropout: cfg.DropoutRate(), MegatronCore: "megatron.core", PeftType: "LORA", R: cfg.Rank,
		TaskType: "CAUSAL_LM", UseRSLora: cfg.RSLoRA,
	}
	var paths []string
	for _, k := range a.Keys() {
		if n := len(p.LayersToTransform); n == 0 || p.LayersToTransform[n-1] != k.Layer {
			p.LayersToTransform = append(p.LayersToTransform, k.Layer)
		}
		if !slices.Contains(p.TargetModules, k.Module) {
			p.TargetModules = append(p.TargetModules, k.Module)
		}
		paths = append(paths, k.path())
	}
	if len(p.LayersToTransform)*len(p.TargetModules) != len(a.Layers) {
		p.LayersToTransform, p.TargetModules = nil, paths
	}
	return p
}

// path is the projection's module path in Transformers' causal language models.
func (k Key) path() string {
	return fmt.Sprintf("model.layers.%d.%s.%s", k.Layer, block(k.Module), k.Module)
}

// block is the part of a layer that a projection belongs to.
func block(module string) string {
	if moduleIndex(module) < 4 {
		return "self_attn"
	}
	return "mlp"
}

// peftFields are the parts of a foreign adapter_config.json that decide what its tensors mean.
type peftFields struct {
	base         string
	rank         int
	alpha        float64
	dropout      float64
	rsLoRA       bool
	rankPattern  []pattern
	alphaPattern []pattern
	targets      []string // nil when a pattern or absent
	layers       []int    // nil when not restricted
	excludes     bool
}

// pattern is an entry of rank_pattern or alpha_pattern.
type pattern struct {
	re    *regexp.Regexp
	value float64
}

// lookup gives the value of the first pattern that matches a module path, as PEFT does.
func lookup(ps []pattern, path string, otherwise float64) float64 {
	for _, p := range ps {
		if p.re.MatchString(path) {
			return p.value
		}
	}
	return otherwise
}

// harmless are fields that do not change the meaning of a saved adapter, whatever they hold.
var harmless = map[string]bool{
	"auto_mapping": true, "inference_mode": true, "layers_pattern": true, "loftq_config": true, "megatron_core": true, "peft_type": true, "peft_version": true,
	"qalora_group_size": true, "revision": true, "task_type": true, "exclude_modules": true, "eva_config": true, "corda_config": true,
	"lora_ga_config": true, "ensure_weight_tying": true, "runtime_config": true,
}

// parsePEFTConfig reads adapter_config.json, refusing what would make the tensors mean something else than plain LoRA.
func parsePEFTConfig(text []byte) (*peftFields, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	p := &peftFields{rank: 8, alpha: 8} // PEFT's own defaults
	var kind string
	read := map[string]func(json.RawMessage) error{
		"peft_type":               into(&kind),
		"base_model_name_or_path": into(&p.base),
		"r":                       into(&p.rank),
		"lora_alpha":              into(&p.alpha),
		"lora_dropout":            into(&p.dropout),
		"use_rslora":              into(&p.rsLoRA),
		"rank_pattern":            func(v json.RawMessage) (err error) { p.rankPattern, err = parsePatterns(v); return err },
		"alpha_pattern":           func(v json.RawMessage) (err error) { p.alphaPattern, err = parsePatterns(v); return err },
		"target_modules": func(v json.RawMessage) error {
			if v[0] == '"' { // a pattern or "all-linear": the tensors say what it meant
				return nil
			}
			return json.Unmarshal(v, &p.targets)
		},
		"layers_to_transform": func(v json.RawMessage) error {
			if v[0] == '[' {
				return json.Unmarshal(v, &p.layers)
			}
			p.layers = make([]int, 1)
			return json.Unmarshal(v, &p.layers[0])
		},
		"bias":              refuseUnless(`"none"`),
		"init_lora_weights": refuseUnless("true", "false", `"gaussian"`, `"eva"`, `"orthogonal"`),
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names) // so that the same file always gives the same error
	for _, name := range names {
		v := bytes.TrimSpace(fields[name])
		if string(v) == "null" {
			continue
		}
		f, known := read[name]
		switch {
		case known:
			if err := f(v); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		case !harmless[name] && !isEmpty(v):
			return nil, fmt.Errorf("%s = %s: %w", name, clip(v), ErrUnsupported)
		}
	}
	p.excludes = !isEmpty(fields["exclude_modules"])
	switch {
	case kind != "LORA":
		return nil, fmt.Errorf("peft_type = %q, only LORA is read: %w", kind, ErrUnsupported)
	case p.rank < 1 || p.rank > maxRank:
		return nil, fmt.Errorf("r = %d is not in 1 to %d", p.rank, maxRank)
	case !(p.alpha > 0):
		return nil, fmt.Errorf("lora_alpha = %v is not positive", p.alpha)
	case p.dropout < 0 || p.dropout >= 1:
		return nil, fmt.Errorf("lora_dropout = %v is not in [0, 1)", p.dropout)
	}
	if p.layers != nil && len(p.layers) == 0 {
		p.layers = nil // PEFT takes an empty list as no restriction
	}
	return p, nil
}

func into(dst any) func(json.RawMessage) error {
	return func(v json.RawMessage) error { return json.Unmarshal(v, dst) }
}

func refuseUnless(allowed ...string) func(json.RawMessage) error {
	return func(v json.RawMessage) error {
		if slices.Contains(allowed, string(v)) {
			return nil
		}
		return fmt.Errorf("%s: %w (only %s)", clip(v), ErrUnsupported, strings.Join(allowed, ", "))
	}
}

// isEmpty says whether a JSON value switches nothing on.
func isEmpty(v json.RawMessage) bool {
	switch string(bytes.TrimSpace(v)) {
	case "", "null", "false", `""`, "0", "[]", "{}":
		return true
	}
	return false
}

// clip shortens a foreign value for an error message.
func clip(v []byte) string {
	if len(v) > 60 {
		return string(v[:60]) + "..."
	}
	return string(v)
}

// parsePatterns reads a rank_pattern or alpha_pattern in the file's order, since the first match counts.
func parsePatterns(v json.RawMessage) ([]pattern, error) {
	dec := json.NewDecoder(bytes.NewReader(v))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var ps []pattern
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		re, err := regexp.Compile(`^(.*\.)?(` + name + `)$`)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", name, err)
		}
		var value float64
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", name, err)
		}
		if !(value > 0) || math.IsInf(value, 0) {
			return nil, fmt.Errorf("pattern %q: %v is not positive", name, value)
		}
		ps = append(ps, pattern{re, value})
	}
	return ps, nil
}
