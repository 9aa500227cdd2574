package tokenizer

func fromSentencePiece(data []byte, conf config) (*Tokenizer, error) {
	return nil, unsupportedf("sentencepiece")
}
