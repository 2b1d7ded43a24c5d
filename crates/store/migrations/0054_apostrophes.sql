-- What is searched has no apostrophes (DECISIONS 300; src/search.rs): where there is one it is written anew at the next start.

-- Author: registration.
UPDATE station SET search = NULL WHERE search ~ '[''’ʼ]';
UPDATE operator SET search = NULL WHERE search ~ '[''’ʼ]';
UPDATE pile SET search = NULL WHERE search ~ '[''’ʼ]';
