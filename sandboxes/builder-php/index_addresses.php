<?php
// The addresses that composer uses when nothing else is said: its repository, and the code host that its repository
// sends it to for the archives, with the two services of that host that hand them out.
require 'Composer/autoload.php';

foreach (Composer\Config::$defaultRepositories as $repository) {
    echo $repository['url'], PHP_EOL;
}
foreach (Composer\Config::$defaultConfig['github-domains'] as $domain) {
    echo "https://$domain", PHP_EOL, "https://api.$domain", PHP_EOL, "https://codeload.$domain", PHP_EOL;
}
